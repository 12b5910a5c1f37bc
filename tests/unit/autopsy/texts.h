// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace disarmd::test {

// A file of tests/autopsy.
inline std::string autopsy_file(const std::string& name) {
    std::ifstream file(std::filesystem::path(DISARMD_AUTOPSY) / name, std::ios::binary);
    if (!file)
        throw std::runtime_error("can't read tests/autopsy/" + name);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// What Linux 6.1 prints, as short as it can be: __run_timers() unlinks a timer of a module that is gone.
inline const char* const wheel_crash =
    R"([   10.000001] BUG: unable to handle page fault for address: ffffffffc0a03048
[   10.000002] #PF: supervisor write access in kernel mode
[   10.000003] #PF: error_code(0x0002) - not-present page
[   10.000004] PGD 3000067 P4D 3000067 PUD 3002067 PMD 4000067 PTE 0
[   10.000005] Oops: 0002 [#1] PREEMPT SMP PTI
[   10.000006] CPU: 1 PID: 0 Comm: swapper/1 Tainted: G           OE      6.1.0-56-amd64 #1  Debian 6.1.192-2
[   10.000007] RIP: 0010:__run_timers+0xd3/0x290
[   10.000008] Code: 48 8b 0f 48 89 0e 48 85 c9 74 04 <48> 89 71 08 48 c7 07 00 00 00 00
[   10.000009] RSP: 0018:ffffa0c300100ef0 EFLAGS: 00010086
[   10.000010] RAX: 0000000000000001 RBX: ffff9c3b5c92a0c0 RCX: ffffffffc0a03040
[   10.000011] RDX: ffffa0c300100f00 RSI: ffffa0c300100f08 RDI: ffff9c3b5c92a1f8
[   10.000012] FS:  0000000000000000(0000) GS:ffff9c3b5c900000(0000) knlGS:0000000000000000
[   10.000013] CR2: ffffffffc0a03048 CR3: 0000000001072000 CR4: 0000000000750ef0
[   10.000014] Call Trace:
[   10.000015]  <IRQ>
[   10.000016]  ? rcu_core+0x1/0x2
[   10.000017]  run_timer_softirq+0x26/0x50
[   10.000018]  handle_softirqs+0xd0/0x2c0
[   10.000019]  </IRQ>
[   10.000020]  <TASK>
[   10.000021]  asm_sysvec_apic_timer_interrupt+0x1a/0x20
[   10.000022] RIP: 0010:default_idle+0xf/0x20
[   10.000023] RAX: 0000000000000001 RBX: 0000000000000000 RCX: 0000000000000000
[   10.000024]  do_idle+0x20b/0x2a0
[   10.000025]  </TASK>
[   10.000026] Modules linked in: ext4(E) other(OE) [last unloaded: m(OE)]
[   10.000027] ---[ end trace 0000000000000000 ]---
[   10.000028] Kernel panic - not syncing: Fatal exception in interrupt
)";

// The text with that in the place of this, which has to be in it.
inline std::string with(std::string text, const std::string& old, const std::string& replacement) {
    const auto at = text.find(old);
    if (at == std::string::npos)
        throw std::runtime_error("there is no \"" + old + "\"");
    return text.replace(at, old.size(), replacement);
}

// Every line with that in front of it.
inline std::string in_front(const std::string& text, const std::string& front) {
    std::string out;
    std::size_t begin = 0;
    while (begin < text.size()) {
        const auto end = std::min(text.find('\n', begin), text.size() - 1) + 1;
        out += front + text.substr(begin, end - begin);
        begin = end;
    }
    return out;
}

} // namespace disarmd::test
