// SPDX-License-Identifier: Apache-2.0
//
// A module's file, for the lines of its functions. The seeds are of a file m.c, as compilers and packers
// leave it.
#include "kernel/debug_info.h"
#include "fuzz.h"
#include "module_file.h"

namespace disarmd::fuzz {

namespace {

void check_lines(const DebugInfo& info) {
    for (const auto* const function : {"init_module", "fires"}) {
        check(!info.line_before(function, 0), "nothing is before a function");
        for (std::uint64_t offset = 1; offset <= 64; ++offset) {
            const auto line = info.line_before(function, offset);
            if (!line)
                continue;
            const auto colon = line->rfind(':');
            check(colon != std::string::npos && colon + 1 < line->size(), "a line has a number");
            check(line->find_first_not_of("0123456789", colon + 1) == std::string::npos, "a number is one");
        }
    }
}

} // namespace

} // namespace disarmd::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace disarmd;
    using namespace disarmd::fuzz;
    const ModuleFile file(data, size);
    const auto path = file.path();
    const auto info = DebugInfo::open(path);
    if (!info) {
        const auto& error = info.error();
        check(is_plain(error.text()) && error.text().find(path) != std::string::npos,
              "an error says which file");
        return 0;
    }
    check(!info->modinfo("vermagic").empty(), "a module says for which kernel it is");
    check_lines(*info);
    return 0;
}
