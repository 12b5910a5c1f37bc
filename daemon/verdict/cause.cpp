// SPDX-License-Identifier: Apache-2.0
#include "verdict/cause.h"

namespace disarmd {

namespace {

Rearmer find_rearmer(const CauseEvidence& evidence) {
    switch (evidence.armed_context) {
    case ArmContext::callback:
        return Rearmer::callback;
    case ArmContext::softirq:
        return Rearmer::softirq;
    case ArmContext::hardirq:
        return Rearmer::hardirq;
    case ArmContext::task:
        return evidence.armed_by_unloader ? Rearmer::unloader : Rearmer::thread;
    case ArmContext::unknown:
        break;
    }
    return Rearmer::unknown;
}

} // namespace

CauseFound find_cause(const CauseEvidence& evidence) {
    if (evidence.callback_running)
        return {Cause::callback_running};
    const bool deleted = evidence.begun_ns && evidence.deleted_ns &&
                         *evidence.deleted_ns >= *evidence.begun_ns && !evidence.delete_gave_up;
    // It is pending: whoever deleted it, somebody has armed it since, seen or not.
    if (deleted) {
        const bool seen = evidence.armed_ns && *evidence.armed_ns >= *evidence.deleted_ns;
        return {Cause::rearmed_after_delete, seen ? find_rearmer(evidence) : Rearmer::unknown};
    }
    if (evidence.init_failed)
        return {Cause::failed_rollback};
    if (!evidence.begun_ns || !evidence.deletes_whole)
        return {};
    return {Cause::never_deleted};
}

} // namespace disarmd
