// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "preflight/elf_image.h"
#include "preflight/model.h"

namespace disarmd {

// All code that is decoded; twice what the largest module has.
inline constexpr std::size_t code_limit = std::size_t{24} << 20;
// A function that is larger is searched for calls, and no more. The largest real one has a third of it.
inline constexpr std::size_t function_limit = std::size_t{256} << 10;

// Calls of the timer API, and timers that are variables of the module's. The largest real module has a sixth
// of them.
inline constexpr std::size_t site_limit = 4096;

// Reads the code of a module: what calls what, what is done to which timer. Where a module calls nothing that
// arms, only its functions' names are read. Fails where there is more than a limit of code, or of sites
// (EFBIG).
Result<ModuleCode> read_code(const ElfImage& image);

} // namespace disarmd
