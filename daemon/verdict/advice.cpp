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

// Who armed it last: the innermost frame that is a module's, as "function [module]".
std::string armer_of(const PendingTimer& timer) {
    if (!timer.armed || timer.armed->stack_age)
        return "";
    const auto frame =
        std::ranges::find_if(timer.armed->stack, [](const std::string& text) { return text.ends_with(']'); });
    return frame == timer.armed->stack.end() ? "" : printable(*frame);
}

std::string advise_after_rearm(const PendingTimer& timer, std::string_view api, std::string_view symbol) {
    const std::string called = timer.deleted ? printable(timer.deleted->api) : "";
    if (timer.rearmer == Rearmer::callback) {
        const auto did_not = called.empty() ? std::string("the delete") : called + "()";
        return fmt::format(
            "delete {} with {}, which waits for its callback: {} did not, and the callback armed "
            "it again",
            symbol, api, did_not);
    }
    const auto armer = armer_of(timer);
    const bool refuses_arms = api == "timer_shutdown_sync()";
    return fmt::format("stop what arms {} again{} before the exit function deletes it{}", symbol,
                       armer.empty() ? "" : fmt::format(" ({})", armer),
                       refuses_arms ? fmt::format(", or use {}, after which nothing can arm it", api) : "");
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
    case Cause::rearmed_after_delete:
        return advise_after_rearm(timer, api, symbol);
    case Cause::unknown:
    case Cause::never_deleted:
        break;
    }
    return fmt::format("call {} for {} in the exit function, after everything that could arm it again", api,
                       symbol);
}

} // namespace

std::string advise_denied(const Unload& unload) {
    const auto module = printable(unload.module);
    return fmt::format("{}to let this one unload through: disarmd allow-once {}",
                       unload.pending.empty()
                           ? ""
                           : "stop what the module does, so that it deletes its timers, and "
                             "unload it then; or, ",
                       module);
}

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
