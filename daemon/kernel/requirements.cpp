// SPDX-License-Identifier: Apache-2.0
#include "kernel/requirements.h"

#include <array>
#include <fstream>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/capability.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kernel/btf.h"

namespace disarmd {

namespace {

constexpr const char* lockdown_path = "/sys/kernel/security/lockdown";
constexpr const char* ftrace_enabled_path = "/proc/sys/kernel/ftrace_enabled";
constexpr const char* modules_path = "/proc/modules";

struct NeededCapability {
    cap_value_t capability;
    std::string_view name;
};

// CAP_SYS_ADMIN stands in for each (include/linux/capability.h: bpf_capable(), perfmon_capable();
// kernel/ksyms_common.c asks for CAP_SYSLOG itself).
constexpr std::array needed_capabilities{
    NeededCapability{CAP_BPF, "CAP_BPF"},
    NeededCapability{CAP_PERFMON, "CAP_PERFMON"},
    NeededCapability{CAP_SYSLOG, "CAP_SYSLOG"},
};

Requirement check_capabilities() {
    const std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> caps(cap_get_proc(), cap_free);
    const auto has = [&](cap_value_t capability) {
        cap_flag_value_t value = CAP_CLEAR;
        return caps && cap_get_flag(caps.get(), capability, CAP_EFFECTIVE, &value) == 0 && value == CAP_SET;
    };
    std::vector<std::string_view> lacking;
    for (const auto& needed : needed_capabilities) {
        const bool by_admin = needed.capability != CAP_SYSLOG && has(CAP_SYS_ADMIN);
        if (!has(needed.capability) && !by_admin)
            lacking.push_back(needed.name);
    }
    if (lacking.empty())
        return {"capabilities", true, "CAP_BPF, CAP_PERFMON and CAP_SYSLOG are held", ""};
    return {"capabilities", false, fmt::format("{} missing", fmt::join(lacking, ", ")),
            "run disarmd as root, or grant it these capabilities"};
}

Requirement check_btf() {
    if (::access(vmlinux_btf_path, R_OK) == 0)
        return {"BTF", true, vmlinux_btf_path, ""};
    return {"BTF", false, fmt::format("{} is not there", vmlinux_btf_path),
            "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y (Debian's are, from 11 on)"};
}

Requirement check_modules() {
    if (::access(modules_path, R_OK) == 0)
        return {"modules", true, "this kernel can load modules", ""};
    return {"modules", false, fmt::format("{} is not there", modules_path),
            "mount /proc; if it is mounted, this kernel can't load modules and there is nothing to watch"};
}

// Confidentiality forbids bpf_probe_read_kernel() (security/lockdown, LOCKDOWN_BPF_READ_KERNEL).
Requirement check_lockdown() {
    std::ifstream file(lockdown_path);
    std::string modes;
    if (!std::getline(file, modes))
        return {"lockdown", true, "off", ""};
    const auto mode = parse_lockdown(modes);
    if (mode != "confidentiality")
        return {"lockdown", true, std::string(mode), ""};
    return {"lockdown", false, "confidentiality: programs may not read kernel memory",
            "boot with lockdown=integrity, or without lockdown"};
}

// Where it is off, hooks on functions are attached as ever, and never run.
Requirement check_ftrace() {
    std::ifstream file(ftrace_enabled_path);
    std::string enabled;
    if (!std::getline(file, enabled))
        return {"ftrace", true, "can't be switched off", ""};
    if (enabled != "0")
        return {"ftrace", true, "on", ""};
    return {"ftrace", false, "kernel.ftrace_enabled is 0: hooks on kernel functions never run",
            "sysctl kernel.ftrace_enabled=1"};
}

utsname running_kernel() {
    utsname name{};
    ::uname(&name);
    return name;
}

} // namespace

std::string_view parse_lockdown(std::string_view modes) {
    const auto open = modes.find('[');
    const auto close = modes.find(']', open);
    if (open == std::string_view::npos || close == std::string_view::npos)
        return "unknown";
    return modes.substr(open + 1, close - open - 1);
}

std::vector<Requirement> check_requirements() {
    return {check_modules(), check_capabilities(), check_btf(), check_lockdown(), check_ftrace()};
}

std::string kernel_release() {
    return running_kernel().release;
}

std::string host_name() {
    return running_kernel().nodename;
}

} // namespace disarmd
