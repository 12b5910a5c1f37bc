// SPDX-License-Identifier: Apache-2.0
#include "preflight/graph.h"

#include <algorithm>

namespace disarmd {

namespace {

FunctionSet closure_of(const std::vector<std::vector<FunctionIndex>>& next, FunctionSet set) {
    std::vector<FunctionIndex> queue;
    for (std::size_t i = 0; i < set.size(); ++i) {
        if (set[i])
            queue.push_back(static_cast<FunctionIndex>(i));
    }
    while (!queue.empty()) {
        const auto function = static_cast<std::size_t>(queue.back());
        queue.pop_back();
        for (const auto other : next[function]) {
            if (!set[static_cast<std::size_t>(other)]) {
                set[static_cast<std::size_t>(other)] = true;
                queue.push_back(other);
            }
        }
    }
    return set;
}

} // namespace

FunctionSet reached_from(const ModuleCode& code, const FunctionSet& roots) {
    std::vector<std::vector<FunctionIndex>> next;
    for (const auto& function : code.functions)
        next.push_back(function.callees);
    return closure_of(next, roots);
}

FunctionSet leading_to(const ModuleCode& code, const FunctionSet& ends) {
    std::vector<std::vector<FunctionIndex>> callers(code.functions.size());
    for (std::size_t i = 0; i < code.functions.size(); ++i) {
        for (const auto callee : code.functions[i].callees)
            callers[static_cast<std::size_t>(callee)].push_back(static_cast<FunctionIndex>(i));
    }
    return closure_of(callers, ends);
}

FunctionSet functions_where(const ModuleCode& code, const std::function<bool(const Function&)>& holds) {
    FunctionSet set(code.functions.size());
    for (std::size_t i = 0; i < set.size(); ++i)
        set[i] = holds(code.functions[i]);
    return set;
}

FunctionSet only(const ModuleCode& code, FunctionIndex function) {
    FunctionSet set(code.functions.size());
    if (function != no_function)
        set[static_cast<std::size_t>(function)] = true;
    return set;
}

FunctionSet called_by_others(const ModuleCode& code) {
    auto set = functions_where(code, [](const Function& function) {
        return function.exported || (function.address_taken && !function.init);
    });
    for (const auto& timer : code.timers) {
        if (timer.callback != no_function &&
            !code.functions[static_cast<std::size_t>(timer.callback)].exported)
            set[static_cast<std::size_t>(timer.callback)] = false;
    }
    for (const auto only_loaders : {code.init, code.exit}) {
        if (only_loaders != no_function)
            set[static_cast<std::size_t>(only_loaders)] = false;
    }
    return set;
}

bool may_call_back(const Function& function) {
    return function.calls_pointers ||
           std::ranges::any_of(function.externals, [](const std::string& external) {
               return find_api(external) == nullptr && !is_harmless(external);
           });
}

} // namespace disarmd
