// SPDX-License-Identifier: Apache-2.0
#include "verdict/unload.h"

#include <cstdlib>

namespace disarmd {

std::string_view name_of(TimerKind kind) {
    switch (kind) {
    case TimerKind::timer:
        return "timer";
    case TimerKind::hrtimer:
        return "hrtimer";
    case TimerKind::delayed_work:
        return "delayed_work";
    case TimerKind::kthread_delayed_work:
        return "kthread_delayed_work";
    case TimerKind::alarm:
        return "alarm";
    }
    std::abort();
}

std::string_view name_of(ArmContext context) {
    switch (context) {
    case ArmContext::unknown:
        return "unknown";
    case ArmContext::task:
        return "task";
    case ArmContext::softirq:
        return "softirq";
    case ArmContext::hardirq:
        return "hardirq";
    case ArmContext::callback:
        return "callback";
    }
    std::abort();
}

std::string_view name_of(Owner owner) {
    switch (owner) {
    case Owner::callback:
        return "callback";
    case Owner::object:
        return "object";
    case Owner::work:
        return "work";
    }
    std::abort();
}

std::string_view name_of(Source source) {
    switch (source) {
    case Source::tracking:
        return "tracking";
    case Source::scan:
        return "scan";
    }
    std::abort();
}

std::string_view name_of(Verdict verdict) {
    switch (verdict) {
    case Verdict::clean:
        return "clean";
    case Verdict::leak:
        return "leak";
    case Verdict::inconclusive:
        return "inconclusive";
    }
    std::abort();
}

std::string_view name_of(Outcome outcome) {
    switch (outcome) {
    case Outcome::freed:
        return "freed";
    case Outcome::init_failed:
        return "init-failed";
    case Outcome::denied:
        return "denied";
    case Outcome::not_unloaded:
        return "not-unloaded";
    }
    std::abort();
}

std::string_view name_of(Action action) {
    switch (action) {
    case Action::none:
        return "none";
    case Action::denied:
        return "denied";
    case Action::drained:
        return "drained";
    case Action::panic:
        return "panic";
    }
    std::abort();
}

std::string_view name_of(Cause cause) {
    switch (cause) {
    case Cause::unknown:
        return "unknown";
    case Cause::never_deleted:
        return "never-deleted";
    case Cause::rearmed_after_delete:
        return "rearmed-after-delete";
    case Cause::failed_rollback:
        return "failed-rollback";
    case Cause::callback_running:
        return "callback-running";
    }
    std::abort();
}

std::string_view name_of(Rearmer rearmer) {
    switch (rearmer) {
    case Rearmer::unknown:
        return "unknown";
    case Rearmer::callback:
        return "callback";
    case Rearmer::softirq:
        return "softirq";
    case Rearmer::hardirq:
        return "hardirq";
    case Rearmer::thread:
        return "thread";
    case Rearmer::unloader:
        return "unloader";
    }
    std::abort();
}

std::string_view name_of(DeleteFound found) {
    switch (found) {
    case DeleteFound::unknown:
        return "unknown";
    case DeleteFound::armed:
        return "armed";
    case DeleteFound::not_armed:
        return "not-armed";
    case DeleteFound::callback_running:
        return "callback-running";
    }
    std::abort();
}

bool is_notable(const Unload& unload) {
    return unload.verdict != Verdict::clean || unload.policy.allowed_once || unload.policy.bypassed;
}

} // namespace disarmd
