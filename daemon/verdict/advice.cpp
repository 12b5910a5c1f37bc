// SPDX-License-Identifier: Apache-2.0
#include "verdict/advice.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"

namespace disarmd {

namespace {

std::string_view deleting_api(TimerKind kind, bool has_timer_shutdown_sync) {
    switch (kind) {
    case TimerKind::hrtimer:
        return "hrtimer_cancel()";
    case TimerKind::delayed_work:
        return "cancel_delayed_work_sync()";
    case TimerKind::kthread_delayed_work:
        return "kthread_cancel_delayed_work_sync()";
    case TimerKind::alarm:
        return "alarm_cancel()";
    case TimerKind::timer:
        break;
    }
    return has_timer_shutdown_sync ? "timer_shutdown_sync()" : "timer_delete_sync()";
}

std::string advise_one(const PendingTimer& timer, bool has_timer_shutdown_sync) {
    const auto api = deleting_api(timer.kind, has_timer_shutdown_sync);
    const auto symbol = printable(timer.symbol);
    switch (timer.cause) {
    case Cause::failed_rollback:
        return fmt::format("call {} for {} on the error path of the init function", api, symbol);
    case Cause::callback_running:
        return fmt::format("wait for {} to return: delete it with {} instead of a delete that does not wait",
                           symbol, api);
    case Cause::unknown:
    case Cause::never_deleted:
    case Cause::rearmed_after_delete:
        break;
    }
    return fmt::format("call {} for {} in the exit function, after everything that could arm it again", api,
                       symbol);
}

} // namespace

std::string advise(const Unload& unload, bool has_timer_shutdown_sync) {
    std::vector<std::string> mends;
    for (const auto& timer : unload.pending) {
        auto mend = advise_one(timer, has_timer_shutdown_sync);
        if (std::ranges::find(mends, mend) == mends.end())
            mends.push_back(std::move(mend));
    }
    std::string text;
    for (const auto& mend : mends) {
        if (!text.empty())
            text += "; ";
        text += mend;
    }
    return text;
}

} // namespace disarmd
