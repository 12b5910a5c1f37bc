// SPDX-License-Identifier: Apache-2.0
#include "verdict/losses.h"

#include <fmt/format.h>

namespace disarmd {

namespace {

struct LossText {
    abi::loss loss;
    std::string_view name;
    std::string_view text;
};

constexpr std::array loss_texts{
    LossText{abi::LOSS_TIMER_MAP, "timer_map",
             "an arm could not be stored: the map of armed timers was full (limits.armed_timers) or busy"},
    LossText{abi::LOSS_MODULE_MAP, "module_map", "a module's load could not be stored"},
    LossText{abi::LOSS_UNLOAD_MAP, "unload_map",
             "an unload could not be stored, and its verdict is lost (limits.unloads)"},
    LossText{abi::LOSS_NOTIFY, "notify", "a notification was dropped; its record was found without it"},
    LossText{abi::LOSS_TIMER_READ, "timer_read",
             "a timer, or what is behind it, could not be read while it was armed"},
    LossText{abi::LOSS_READ, "read", "kernel memory could not be read; the verdicts tell where it mattered"},
    LossText{abi::LOSS_TASK_MAP, "task_map", "the begin of an unload or of an init could not be stored"},
    LossText{abi::LOSS_DELETE, "delete",
             "a delete of a timer could not be stored; its cause may not be told"},
    LossText{abi::LOSS_SYMBOLS, "symbols",
             "a freed module's symbols could not be copied; addresses are told instead"},
    LossText{abi::LOSS_DECISION, "decision",
             "whether a module may be unloaded could not be decided, and it was let through"},
};

constexpr bool in_the_order_of_the_abi() {
    for (std::size_t i = 0; i < loss_texts.size(); ++i) {
        if (loss_texts.at(i).loss != static_cast<abi::loss>(i))
            return false;
    }
    return loss_texts.size() == abi::LOSS_MAX;
}
static_assert(in_the_order_of_the_abi());

} // namespace

std::string_view name_of_loss(std::size_t loss) {
    return loss_texts.at(loss).name;
}

std::string_view describe_loss(std::size_t loss) {
    return loss_texts.at(loss).text;
}

std::vector<std::string> describe_losses(const LossCounts& before, const LossCounts& now) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < now.size(); ++i) {
        if (now[i] != before[i])
            texts.push_back(fmt::format("{} x {}", now[i] - before[i], describe_loss(i)));
    }
    return texts;
}

} // namespace disarmd
