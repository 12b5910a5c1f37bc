// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/text.h"
#include "cli/commands.h"
#include "config/config.h"

namespace disarmd {

ExitCode check_config(const CheckConfigOptions& options) {
    const auto config = load_config(options.file);
    if (!config)
        return complain(config.error(), ExitCode::usage);
    std::string text;
    for (const auto& file : config->files)
        text += fmt::format("{}: ok\n", printable(file));
    if (config->files.empty())
        text += fmt::format("{} is not there: the defaults count\n", default_config_path);
    const auto& rules = config->policy.rules;
    if (rules.empty())
        text += "no rule: every module may be unloaded, and a leak is told\n";
    for (std::size_t i = 0; i < rules.size(); ++i)
        text += fmt::format("rule {}: {}\n", i + 1, rule_text(rules[i]));
    return print_result(text, ExitCode::clean);
}

} // namespace disarmd
