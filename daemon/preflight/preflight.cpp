// SPDX-License-Identifier: Apache-2.0
#include "preflight/preflight.h"

#include <algorithm>
#include <exception>

#include <fmt/format.h>

#include "base/text.h"
#include "preflight/code_reader.h"
#include "preflight/elf_image.h"
#include "preflight/graph.h"
#include "preflight/module_file.h"
#include "preflight/rules.h"

namespace disarmd {

std::string_view name_of(Reach reach) {
    switch (reach) {
    case Reach::no:
        return "no";
    case Reach::perhaps:
        return "perhaps";
    case Reach::yes:
        break;
    }
    return "yes";
}

namespace {

struct Ways {
    FunctionSet direct;
    FunctionSet by_pointer;

    Ways(const ModuleCode& code, FunctionIndex root)
        : direct(reached_from(code, only(code, root))), by_pointer(direct.size()) {
        bool calls_back = false;
        for (std::size_t i = 0; i < direct.size(); ++i)
            calls_back = calls_back || (direct[i] && may_call_back(code.functions[i]));
        if (calls_back)
            by_pointer = reached_from(code, called_by_others(code));
    }

    [[nodiscard]] Reach to(FunctionIndex function) const {
        const auto index = static_cast<std::size_t>(function);
        if (direct[index])
            return Reach::yes;
        return by_pointer[index] ? Reach::perhaps : Reach::no;
    }
};

std::vector<ApiUse> uses_in(const ModuleCode& code) {
    const Ways exit(code, code.exit);
    const Ways init(code, code.init);
    std::vector<ApiUse> uses;
    for (const auto& site : code.sites) {
        auto use = std::ranges::find_if(uses, [&](const ApiUse& known) {
            return known.api == site.api->name && known.kind == site.kind;
        });
        if (use == uses.end())
            use = uses.insert(uses.end(),
                              {site.api->name, site.kind, site.api->effect, 0, {}, Reach::no, Reach::no});
        ++use->calls;
        const auto& name = code.functions[static_cast<std::size_t>(site.function)].name;
        if (std::ranges::find(use->functions, name) == use->functions.end())
            use->functions.push_back(name);
        use->exit = std::max(use->exit, exit.to(site.function));
        use->init = std::max(use->init, init.to(site.function));
    }
    std::ranges::stable_sort(uses, {}, [](const ApiUse& use) { return std::pair(use.effect, use.kind); });
    return uses;
}

Result<PreflightReport> read_report(const std::string& file) {
    auto content = read_module_file(file);
    if (!content)
        return fail(content.error());
    const auto refuse = [&](const Error& error) {
        return fail(
            {error.code(), fmt::format("{} can't be read as a module: {}", printable(file), error.text())});
    };
    const auto image = ElfImage::parse(std::move(*content));
    if (!image)
        return refuse(image.error());
    const auto code = read_code(*image);
    if (!code)
        return refuse(code.error());
    PreflightReport report;
    report.file = printable(file);
    report.module = code->name;
    report.srcversion = code->srcversion;
    report.kernel = code->kernel;
    report.can_be_unloaded = code->exit != no_function;
    for (const auto& timer : code->timers)
        report.timers.push_back({timer.kind, timer.variable,
                                 timer.callback == no_function
                                     ? ""
                                     : code->functions[static_cast<std::size_t>(timer.callback)].name});
    report.uses = uses_in(*code);
    report.findings = find_faults(*code);
    return report;
}

} // namespace

Result<PreflightReport> preflight(const std::string& file) {
    // What is read is bounded, but a machine may have even less memory.
    try {
        return read_report(file);
    } catch (const std::exception&) {
        return fail({ENOMEM, fmt::format("there is no memory to read {}", printable(file))});
    }
}

bool fails(const PreflightReport& report) {
    return std::ranges::any_of(report.findings,
                               [](const Finding& finding) { return is_grave(finding.certainty); });
}

} // namespace disarmd
