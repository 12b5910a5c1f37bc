// SPDX-License-Identifier: Apache-2.0
#include "kernel/debug_info.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

#include <elfutils/libdwfl.h>
#include <fmt/format.h>
#include <gelf.h>

namespace disarmd {

namespace {

struct EndSession {
    void operator()(Dwfl* session) const { ::dwfl_end(session); }
};

std::string last_error() {
    const char* const text = ::dwfl_errmsg(-1);
    return text != nullptr ? text : "unknown error";
}

// "KEY=VALUE\0..."
std::string value_in(std::string_view modinfo, const std::string& key) {
    while (!modinfo.empty()) {
        const auto entry = modinfo.substr(0, modinfo.find('\0'));
        if (entry.starts_with(key) && entry.substr(key.size()).starts_with('='))
            return std::string(entry.substr(key.size() + 1));
        modinfo.remove_prefix(std::min(entry.size() + 1, modinfo.size()));
    }
    return "";
}

std::string_view section_of(Elf* elf, std::string_view name) {
    std::size_t names = 0;
    if (elf == nullptr || ::elf_getshdrstrndx(elf, &names) != 0)
        return {};
    for (Elf_Scn* section = nullptr; (section = ::elf_nextscn(elf, section)) != nullptr;) {
        GElf_Shdr header{};
        if (::gelf_getshdr(section, &header) == nullptr)
            continue;
        const char* const found = ::elf_strptr(elf, names, header.sh_name);
        if (found == nullptr || found != name)
            continue;
        const Elf_Data* const data = ::elf_rawdata(section, nullptr);
        if (data == nullptr || data->d_buf == nullptr)
            return {};
        return {static_cast<const char*>(data->d_buf), data->d_size};
    }
    return {};
}

// Debug information names a file as the compiler was called with it, or from where it was called.
std::string source_name(const char* file, const char* folder) {
    std::string_view name = file;
    if (folder != nullptr && name.starts_with(folder) &&
        name.substr(std::string_view(folder).size()).starts_with('/'))
        name.remove_prefix(std::string_view(folder).size() + 1);
    return std::string(name);
}

// As modules.dep has it and the kernel does not.
std::string module_of(std::string_view path) {
    auto name = path.substr(path.rfind('/') + 1);
    name = name.substr(0, name.find(".ko"));
    std::string module(name);
    std::ranges::replace(module, '-', '_');
    return module;
}

} // namespace

struct DebugInfo::State {
    Dwfl_Callbacks callbacks{};
    char* debug_folders = nullptr; // nullptr: where the system has them
    std::unique_ptr<Dwfl, EndSession> session;
    Dwfl_Module* module = nullptr;
};

DebugInfo::DebugInfo(std::unique_ptr<State> state) : state_(std::move(state)) {}
DebugInfo::DebugInfo(DebugInfo&&) noexcept = default;
DebugInfo& DebugInfo::operator=(DebugInfo&&) noexcept = default;
DebugInfo::~DebugInfo() = default;

Result<DebugInfo> DebugInfo::open(const std::string& module_file) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(module_file, error))
        return fail(error ? Error::from_code(error.value(), fmt::format("reading {}", module_file))
                          : Error(EINVAL, fmt::format("{} is no file", module_file)));
    // Nothing is asked of the network (debuginfod(8)): somebody waits for an answer.
    ::unsetenv("DEBUGINFOD_URLS"); // NOLINT(concurrency-mt-unsafe)
    auto state = std::make_unique<State>();
    state->callbacks.find_elf = ::dwfl_build_id_find_elf;
    state->callbacks.find_debuginfo = ::dwfl_standard_find_debuginfo;
    state->callbacks.section_address = ::dwfl_offline_section_address;
    state->callbacks.debuginfo_path = &state->debug_folders;
    state->session.reset(::dwfl_begin(&state->callbacks));
    if (!state->session)
        return fail({ENOMEM, fmt::format("reading {}: {}", module_file, last_error())});
    state->module = ::dwfl_report_offline(state->session.get(), module_file.c_str(), module_file.c_str(), -1);
    if (state->module == nullptr || ::dwfl_report_end(state->session.get(), nullptr, nullptr) != 0)
        return fail({ENOEXEC, fmt::format("{} is no module: {}", module_file, last_error())});
    DebugInfo info(std::move(state));
    if (info.modinfo("vermagic").empty())
        return fail({ENOEXEC, fmt::format("{} is no module", module_file)});
    Dwarf_Addr bias = 0;
    if (::dwfl_module_getdwarf(info.state_->module, &bias) == nullptr)
        return fail(
            {ENODATA, fmt::format("there is no debug information in {}, nor beside it", module_file)});
    return info;
}

std::string DebugInfo::modinfo(const std::string& key) const {
    GElf_Addr bias = 0;
    return value_in(section_of(::dwfl_module_getelf(state_->module, &bias), ".modinfo"), key);
}

std::optional<std::string> DebugInfo::line_before(const std::string& function, std::uint64_t offset) const {
    std::optional<std::uint64_t> start;
    const int count = ::dwfl_module_getsymtab(state_->module);
    for (int i = 0; i < count; ++i) {
        GElf_Sym symbol{};
        GElf_Addr address = 0;
        const char* const name =
            ::dwfl_module_getsym_info(state_->module, i, &symbol, &address, nullptr, nullptr, nullptr);
        if (name == nullptr || GELF_ST_TYPE(symbol.st_info) != STT_FUNC || function != name)
            continue;
        if (start || offset == 0 || offset > symbol.st_size)
            return std::nullopt;
        start = address;
    }
    if (!start)
        return std::nullopt;
    Dwfl_Line* const line = ::dwfl_module_getsrc(state_->module, *start + offset - 1);
    if (line == nullptr)
        return std::nullopt;
    int number = 0;
    const char* const file = ::dwfl_lineinfo(line, nullptr, &number, nullptr, nullptr, nullptr);
    if (file == nullptr || number <= 0)
        return std::nullopt;
    return fmt::format("{}:{}", source_name(file, ::dwfl_line_comp_dir(line)), number);
}

std::optional<std::string> installed_module(const std::string& module, const std::string& kernel_release) {
    if (kernel_release.empty() || kernel_release.find('/') != std::string::npos)
        return std::nullopt;
    const auto folder = std::filesystem::path("/lib/modules") / kernel_release;
    std::ifstream list(folder / "modules.dep");
    for (std::string line; std::getline(list, line);) {
        const auto path = line.substr(0, line.find(':'));
        if (module_of(path) == module)
            return (folder / path).string(); // an absolute one stays as it is
    }
    return std::nullopt;
}

} // namespace disarmd
