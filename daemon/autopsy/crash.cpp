// SPDX-License-Identifier: Apache-2.0
#include "autopsy/crash.h"

namespace disarmd {

bool is_fault(ReportKind kind) {
    switch (kind) {
    case ReportKind::page_fault:
    case ReportKind::protection_fault:
    case ReportKind::bug:
    case ReportKind::list_corruption:
    case ReportKind::kasan:
    case ReportKind::oops:
        return true;
    case ReportKind::hard_lockup:
    case ReportKind::soft_lockup:
    case ReportKind::warning:
    case ReportKind::stall:
    case ReportKind::panic:
        break;
    }
    return false;
}

} // namespace disarmd
