// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "preflight/model.h"

namespace disarmd {

// A bit for each function.
using FunctionSet = std::vector<bool>;

// What these call, directly or not, they themselves included; not through pointers. Pure.
FunctionSet reached_from(const ModuleCode& code, const FunctionSet& roots);

// What calls these, directly or not, they themselves included; not through pointers. Pure.
FunctionSet leading_to(const ModuleCode& code, const FunctionSet& ends);

FunctionSet functions_where(const ModuleCode& code, const std::function<bool(const Function&)>& holds);
FunctionSet only(const ModuleCode& code, FunctionIndex function);

// What may run while init fails or exit does its work, though nothing calls it directly: whatever can be
// called through a pointer, and what other modules call; but no timer's callback.
FunctionSet called_by_others(const ModuleCode& code);

// It may, itself, have somebody call the module's functions through pointers.
bool may_call_back(const Function& function);

} // namespace disarmd
