// SPDX-License-Identifier: Apache-2.0
//
// An incident's record, as a ledger of somebody else's may have it.
#include "autopsy/diagnosis.h"
#include "autopsy/record.h"
#include "documents.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace disarmd;
    using namespace disarmd::fuzz;
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto incident = parse_incident(text);
    if (!incident) {
        const auto& error = incident.error();
        check(error.code() > 0 && is_plain(error.text()) && error.text().find('\n') == std::string::npos,
              "an error is a line");
        return 0;
    }
    check(incident->unload.pending.size() <= incident->unload.pending_count, "as many timers as there are");
    check_incident(*incident);

    const auto record = recorded_of(*incident);
    check(record.module == incident->unload.module && record.incident == incident->id, "it is that module's");
    check(record.timers.size() == incident->unload.pending.size(), "with all of its timers");
    check(is_plain(record.when) && is_plain(record.causes), "words of its own");
    return 0;
}
