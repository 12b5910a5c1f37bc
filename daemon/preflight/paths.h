// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "preflight/decoder.h"
#include "preflight/elf_image.h"
#include "preflight/layout.h"
#include "preflight/model.h"

namespace disarmd {

// Adds to the code, of which all else is known, the paths through its init on which a timer of the module's
// own is armed, something fails after that, and nothing that is called from then on could delete the timer.
// Takes what it does off the work (flow.h).
void find_failing_paths(const ElfImage& image, const Decoder& decoder, const CodeLayout& layout,
                        ModuleCode& code, std::int64_t& work);

// Adds the deletes in exit that are its last word: on some path nothing is waited for before, and nothing
// deletes and waits after.
void find_last_deletes(const ElfImage& image, const Decoder& decoder, const CodeLayout& layout,
                       ModuleCode& code, std::int64_t& work);

} // namespace disarmd
