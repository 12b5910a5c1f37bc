// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "preflight/model.h"

namespace disarmd::test {

// A module, put together by hand.
class Model {
public:
    ModuleCode code;

    FunctionIndex function(const std::string& name) {
        Function made;
        made.name = name;
        made.section = ".text";
        code.functions.push_back(made);
        return static_cast<FunctionIndex>(code.functions.size() - 1);
    }
    Function& at(FunctionIndex index) { return code.functions.at(static_cast<std::size_t>(index)); }
    FunctionIndex init() {
        code.init = function("m_init");
        at(code.init).init = true;
        return code.init;
    }
    FunctionIndex exit() { return code.exit = function("m_exit"); }
    void calls(FunctionIndex caller, FunctionIndex callee) { at(caller).callees.push_back(callee); }
    void calls(FunctionIndex caller, const std::string& external) {
        at(caller).externals.push_back(external);
    }

    void site(FunctionIndex where, const char* api, Place place) {
        Site made;
        made.api = find_api(api);
        made.kind = made.api->kind;
        made.function = where;
        made.offset = 0x10 * (code.sites.size() + 1);
        made.timer = place;
        code.sites.push_back(made);
        calls(where, std::string(api));
    }
    OwnTimer& own(TimerKind kind, Place place, FunctionIndex callback) {
        OwnTimer made;
        made.kind = kind;
        made.place = place;
        made.callback = callback;
        if (place.type == Place::Type::fixed)
            made.variable = "variable";
        code.timers.push_back(made);
        return code.timers.back();
    }
};

inline Place fixed(std::int64_t offset) {
    return {Place::Type::fixed, 1, 0, offset, false};
}
inline Place field(std::int64_t offset) {
    return {Place::Type::field, -1, 0, offset, false};
}
inline Place given(std::int64_t offset) {
    return {Place::Type::field, -1, 0, offset, true};
}
inline Place behind(std::int64_t variable, std::int64_t offset) {
    return {Place::Type::behind, 1, variable, offset, false};
}

} // namespace disarmd::test
