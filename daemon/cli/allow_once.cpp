// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include <bpf/bpf.h>
#include <disarmd/abi.h>
#include <fmt/format.h>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "cli/commands.h"
#include "probe/enforcer.h"
#include "probe/pins.h"

namespace disarmd {

namespace {

constexpr std::chrono::minutes permitted_for(10);

} // namespace

ExitCode allow_once(const AllowOnceOptions& options) {
    const UniqueFd permissions(bpf_obj_get(permissions_pin));
    if (!permissions && errno == ENOENT)
        return complain(
            {ENOENT, "no service of disarmd has run since the host was booted: nothing is denied"},
            ExitCode::impossible);
    if (!permissions)
        return complain(Error::from_errno(fmt::format("opening {}", permissions_pin)), ExitCode::impossible);
    const auto key = module_key_of(options.module, "");
    abi::permission permission{};
    permission.until_ns =
        monotonic_ns() + static_cast<std::uint64_t>(std::chrono::nanoseconds(permitted_for).count());
    if (bpf_map_update_elem(permissions.get(), &key.name, &permission, BPF_ANY) != 0)
        return complain(Error::from_errno("permitting it"), ExitCode::impossible);
    return print_result(fmt::format("module {} may be unloaded once, within {} minutes\n", options.module,
                                    permitted_for.count()),
                        ExitCode::clean);
}

} // namespace disarmd
