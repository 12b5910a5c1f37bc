// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autopsy/address.h"
#include "autopsy/crash.h"
#include "autopsy/instruction.h"

namespace disarmd {

enum class CrashVerdict {
    this_pattern,     // a timer of a freed module fired, or lay in a queue that was walked
    related,          // something else of a freed module: a work item, a tasklet, a thread
    not_this_pattern, // something else
    cant_tell,        // the text does not say enough
};

enum class Confidence { low, medium, high };

std::string_view name_of(CrashVerdict verdict);
std::string_view name_of(Confidence confidence);

// What a line says; 0: no line does, but what is not there.
struct Evidence {
    std::size_t line = 0;
    std::string says;
};

// What disarmd had recorded of this very timer, or module, before the crash.
struct ClosedCase {
    RecordedFree free;
    std::optional<RecordedTimer> timer; // of it: the one that it was
    std::string how;                    // by what in the text it was found
    // An address says so. If not, that it was recorded last before the crash does.
    bool by_address = false;
};

struct Suspect {
    std::string module;
    std::string why;
    std::size_t line = 0;
};

struct CrashDiagnosis {
    CrashVerdict verdict = CrashVerdict::cant_tell;
    Confidence confidence = Confidence::low;
    std::string rule; // the name of the rule that decided, for tests and for --json
    std::string what; // a sentence
    std::vector<Evidence> evidence;
    std::vector<Evidence> against;
    const Report* primary = nullptr; // in what was diagnosed, which has to outlive this; null: there is none
    const Exception* met = nullptr;  // the fault's own, likewise
    std::optional<MetInstruction> instruction;
    bool instruction_inferred = false;    // from registers: the text has no code
    std::optional<std::uint64_t> address; // that the fault was about
    AddressKind address_kind = AddressKind::unknown;
    std::vector<Evidence> consequences;
    std::size_t other_crashes = 0; // of other boots, in the same text: they are not told of
    std::optional<ClosedCase> closed;
    std::vector<Suspect> suspects; // without that: the likeliest first
};

// What an expert would make of it, who has the records of that host, too: what the text itself has of them,
// and those of a ledger. Pure.
CrashDiagnosis diagnose(const CrashText& crash, const std::vector<RecordedFree>& ledger);

} // namespace disarmd
