// SPDX-License-Identifier: Apache-2.0
#include "papers.h"

#include <fstream>
#include <regex>
#include <sstream>

#include <gtest/gtest.h>

#include "cli/options.h"

namespace disarmd::tests {

std::string source(const std::string& path) {
    std::ifstream file(DISARMD_SOURCE "/" + path);
    std::ostringstream text;
    text << file.rdbuf();
    EXPECT_TRUE(file && !text.str().empty()) << path;
    return text.str();
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        lines.push_back(line);
    return lines;
}

Names matches(const std::string& text, const std::string& expression) {
    const std::regex regex(expression, std::regex::ECMAScript | std::regex::multiline);
    Names names;
    for (std::sregex_iterator match(text.begin(), text.end(), regex); match != std::sregex_iterator();
         ++match)
        names.insert((*match)[1]);
    return names;
}

std::map<std::string, std::string> sections_of(const std::string& page) {
    std::map<std::string, std::string> sections;
    std::string first;
    std::string name;
    bool literal = false;
    for (const auto& line : lines_of(page)) {
        if (line == "```")
            literal = !literal;
        if (literal)
            sections[name] += line + '\n';
        else if (line.starts_with("# "))
            name = first = line.substr(2);
        else if (line.starts_with("## "))
            name = first + "/" + line.substr(3);
        else
            sections[name] += line + '\n';
    }
    return sections;
}

std::map<std::string, std::string> entries_of(const std::string& section) {
    std::map<std::string, std::string> entries;
    Names current;
    for (const auto& line : lines_of(section)) {
        if (line.starts_with('*'))
            current = matches(line, R"(\*([^*\s]+)\*)");
        else if (!line.starts_with('\t') && !line.empty())
            current.clear();
        for (const auto& name : current)
            entries[name] += line + '\n';
    }
    return entries;
}

std::string help_of(const std::string& command) {
    auto arguments = command.empty() ? std::vector<std::string>{} : std::vector{command};
    arguments.emplace_back("--help");
    const auto options = parse_options(arguments);
    if (!options || !std::holds_alternative<PrintOptions>(options->command)) {
        ADD_FAILURE() << command << " has no help";
        return "";
    }
    return std::get<PrintOptions>(options->command).text;
}

Names commands() {
    const auto help = help_of("");
    const auto begin = help.find("\nSubcommands:\n");
    return matches(help.substr(begin, help.find("\n\n", begin + 1) - begin), R"(^  ([a-z][a-z-]*) )");
}

Names options_of(const std::string& command) {
    auto names = matches(help_of(command), R"(^  (?:-[a-z],)?(--[a-z-]+))");
    EXPECT_EQ(names.erase("--help"), 1U);
    return names;
}

} // namespace disarmd::tests
