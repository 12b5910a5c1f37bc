// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace disarmd {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;

using Arguments = std::vector<std::string>;

// The command that the arguments mean; the test fails if they mean another or none.
template <typename Command>
Command parsed(const Arguments& arguments) {
    const auto options = parse_options(arguments);
    if (!options) {
        ADD_FAILURE() << options.error().text();
        return {};
    }
    const auto* const command = std::get_if<Command>(&options->command);
    if (command == nullptr) {
        ADD_FAILURE() << "another command: variant index " << options->command.index();
        return {};
    }
    return *command;
}

std::string error_of(const Arguments& arguments) {
    const auto options = parse_options(arguments);
    if (options) {
        ADD_FAILURE() << "accepted: " << testing::PrintToString(arguments);
        return {};
    }
    EXPECT_EQ(options.error().code(), EINVAL);
    EXPECT_EQ(options.error().text().find('\n'), std::string::npos) << options.error().text();
    return options.error().text();
}

TEST(ParseOptions, no_argument_is_the_service) {
    const auto run = parsed<RunOptions>({});
    EXPECT_EQ(run.config, std::nullopt);
}

TEST(ParseOptions, run_takes_a_configuration_with_and_without_its_name) {
    EXPECT_EQ(parsed<RunOptions>({"run"}).config, std::nullopt);
    EXPECT_THAT(parsed<RunOptions>({"run", "--config", "f.toml"}).config, Optional(std::string("f.toml")));
    EXPECT_THAT(parsed<RunOptions>({"--config", "f.toml"}).config, Optional(std::string("f.toml")));
    EXPECT_THAT(parsed<RunOptions>({"--config=f.toml", "run"}).config, Optional(std::string("f.toml")));
}

TEST(ParseOptions, list_takes_a_module_and_json) {
    const auto plain = parsed<ListOptions>({"list"});
    EXPECT_EQ(plain.module, std::nullopt);
    EXPECT_FALSE(plain.json);
    const auto full = parsed<ListOptions>({"list", "--module", "my-driver", "--json"});
    EXPECT_THAT(full.module, Optional(std::string("my_driver")));
    EXPECT_TRUE(full.json);
}

TEST(ParseOptions, list_takes_orphans) {
    EXPECT_FALSE(parsed<ListOptions>({"list"}).orphans);
    const auto orphans = parsed<ListOptions>({"list", "--orphans", "--json"});
    EXPECT_TRUE(orphans.orphans);
    EXPECT_TRUE(orphans.json);
    EXPECT_EQ(error_of({"list", "--orphans", "--module", "m"}),
              "--module excludes --orphans (see disarmd --help)");
    EXPECT_THAT(error_of({"--orphans"}), HasSubstr("--orphans"));
    EXPECT_THAT(error_of({"doctor", "--orphans"}), HasSubstr("--orphans"));
}

TEST(ParseOptions, list_takes_a_pattern_of_modules) {
    EXPECT_THAT(parsed<ListOptions>({"list", "--module", "my_*"}).module, Optional(std::string("my_*")));
    EXPECT_THAT(parsed<ListOptions>({"list", "--module", "[a-m]?"}).module, Optional(std::string("[a-m]?")));
    EXPECT_EQ(error_of({"list", "--module", "[m"}), "--module: a [ lacks its ] (see disarmd --help)");
    EXPECT_THAT(error_of({"list", "--module", "m\n*"}), HasSubstr("\\x0a"));
}

TEST(ParseOptions, list_takes_kinds) {
    EXPECT_THAT(parsed<ListOptions>({"list"}).kinds, IsEmpty());
    for (const auto kind : all_timer_kinds)
        EXPECT_THAT(parsed<ListOptions>({"list", "--kind", std::string(name_of(kind))}).kinds,
                    ElementsAre(kind));
    for (const Arguments& arguments :
         {Arguments{"list", "--kind", "hrtimer,timer"}, {"list", "--kind", "hrtimer", "--kind", "timer"}})
        EXPECT_THAT(parsed<ListOptions>(arguments).kinds, ElementsAre(TimerKind::hrtimer, TimerKind::timer));
    EXPECT_THAT(error_of({"list", "--kind", "timers"}), HasSubstr("timers not in"));
    EXPECT_THAT(error_of({"list", "--kind", "timer", "hrtimer"}), HasSubstr("hrtimer"));
}

TEST(ParseOptions, list_is_sorted) {
    struct Case {
        std::string word;
        ListOrder order;
    };
    EXPECT_EQ(parsed<ListOptions>({"list"}).order, ListOrder::module);
    for (const auto& [word, order] : {Case{"module", ListOrder::module},
                                      {"count", ListOrder::count},
                                      {"rate", ListOrder::rate},
                                      {"next", ListOrder::next}}) {
        EXPECT_EQ(parsed<ListOptions>({"list", "--watch", "--sort", word}).order, order) << word;
        EXPECT_EQ(parsed<ListOptions>({"list", "--rate", "--sort", word}).order, order) << word;
    }
    EXPECT_EQ(error_of({"list", "--sort", "rate"}),
              "--sort rate goes with --rate or --watch only (see disarmd --help)");
    EXPECT_THAT(error_of({"list", "--sort", "size"}), HasSubstr("size not in"));
}

TEST(ParseOptions, list_has_numbers_that_may_be_left_out) {
    struct Case {
        Arguments arguments;
        std::optional<std::size_t> next;
        std::optional<std::chrono::microseconds> rate;
        std::optional<std::chrono::microseconds> watch;
    };
    for (const auto& tried : {
             Case{{}, {}, {}, {}},
             Case{{"--next"}, 10, {}, {}},
             Case{{"--next", "3"}, 3, {}, {}},
             Case{{"--next=3", "--rate"}, 3, 1s, {}},
             Case{{"--next", "--watch"}, 10, {}, 2s},
             Case{{"--watch", "0.25"}, {}, {}, 250ms},
             Case{{"--watch=60", "--kind", "timer"}, {}, {}, 60s},
             Case{{"--rate", "0.1"}, {}, 100ms, {}},
         }) {
        auto arguments = tried.arguments;
        arguments.insert(arguments.begin(), "list");
        const auto list = parsed<ListOptions>(arguments);
        EXPECT_EQ(list.next, tried.next) << testing::PrintToString(arguments);
        EXPECT_EQ(list.rate, tried.rate) << testing::PrintToString(arguments);
        EXPECT_EQ(list.watch, tried.watch) << testing::PrintToString(arguments);
    }
    for (const Arguments& arguments : {Arguments{"--next", "0"},
                                       {"--next", "-1"},
                                       {"--next", "1.5"},
                                       {"--next", "x"},
                                       {"--watch", "0"},
                                       {"--watch", "nan"},
                                       {"--watch", "1e6"},
                                       {"--rate", "nan"},
                                       {"--rate", "-1"},
                                       {"--rate", "0.01"}}) {
        auto whole = arguments;
        whole.insert(whole.begin(), "list");
        EXPECT_THAT(error_of(whole), HasSubstr(arguments.front().substr(2))) << arguments.back();
    }
}

TEST(ParseOptions, list_refuses_what_does_not_go_together) {
    const std::vector<Arguments> pairs{
        {"--orphans", "--module", "m"}, {"--orphans", "--sort", "next"}, {"--orphans", "--rate"},
        {"--json", "--ndjson"},         {"--json", "--sort", "count"},   {"--json", "--next"},
        {"--json", "--rate"},           {"--json", "--watch"},           {"--ndjson", "--sort", "count"},
        {"--next", "--sort", "count"},  {"--rate", "--watch"},
    };
    for (auto arguments : pairs) {
        arguments.insert(arguments.begin(), "list");
        EXPECT_THAT(error_of(arguments), HasSubstr(" excludes --")) << testing::PrintToString(arguments);
    }
    EXPECT_TRUE(parsed<ListOptions>({"list", "--ndjson", "--watch", "--next", "--orphans"}).ndjson);
    EXPECT_TRUE(
        parsed<ListOptions>({"list", "--ndjson", "--rate", "--kind", "alarm", "--module", "m"}).ndjson);
}

TEST(ParseOptions, a_watch_tells_its_result_in_one_form) {
    EXPECT_FALSE(parsed<WatchUnloadOptions>({"--watch-unload", "m"}).ktap);
    EXPECT_FALSE(parsed<WatchUnloadOptions>({"--watch-unload", "m", "--json"}).ktap);
    const auto watch = parsed<WatchUnloadOptions>({"--watch-unload", "m", "--ktap"});
    EXPECT_TRUE(watch.ktap);
    EXPECT_FALSE(watch.json);
    EXPECT_THAT(error_of({"--watch-unload", "m", "--ktap", "--json"}), HasSubstr("--ktap"));
    EXPECT_THAT(error_of({"--ktap"}), HasSubstr("--watch-unload"));
    EXPECT_THAT(error_of({"list", "--ktap"}), HasSubstr("--ktap"));
}

TEST(ParseOptions, every_command_takes_a_backend) {
    for (const auto backend : {Backend::automatic, Backend::tracepoint, Backend::kprobe}) {
        const std::string word(name_of(backend));
        EXPECT_EQ(parsed<WatchUnloadOptions>({"--watch-unload", "m", "--probe-backend", word}).backend,
                  backend);
        EXPECT_EQ(parsed<ListOptions>({"list", "--probe-backend", word}).backend, backend);
        EXPECT_EQ(parsed<DoctorOptions>({"doctor", "--probe-backend=" + word}).backend, backend);
        EXPECT_EQ(parsed<RunOptions>({"run", "--probe-backend", word}).backend, backend);
        EXPECT_EQ(parsed<RunOptions>({"--probe-backend", word}).backend, backend);
        EXPECT_EQ(parsed<ListOptions>({"--probe-backend", word, "list"}).backend, backend);
    }
}

TEST(ParseOptions, without_a_backend_the_configuration_decides_for_the_service) {
    EXPECT_EQ(parsed<RunOptions>({"run"}).backend, std::nullopt);
    EXPECT_EQ(parsed<ListOptions>({"list"}).backend, Backend::automatic);
    EXPECT_EQ(parsed<WatchUnloadOptions>({"--watch-unload", "m"}).backend, Backend::automatic);
    EXPECT_EQ(parsed<DoctorOptions>({"doctor"}).backend, Backend::automatic);
}

TEST(ParseOptions, another_word_is_no_backend) {
    for (const Arguments& arguments : {Arguments{"--probe-backend", "fentry"},
                                       {"list", "--probe-backend", "fentry"},
                                       {"--watch-unload", "m", "--probe-backend", "fentry"}})
        EXPECT_EQ(error_of(arguments),
                  "--probe-backend must be auto, tracepoint or kprobe, not \"fentry\" (see disarmd --help)");
    EXPECT_THAT(error_of({"doctor", "--probe-backend", "k\n"}), HasSubstr("\"k\\x0a\""));
    EXPECT_THAT(error_of({"doctor", "--probe-backend", ""}), HasSubstr("not \"\""));
    EXPECT_THAT(error_of({"doctor", "--probe-backend"}), HasSubstr("--probe-backend"));
}

TEST(ParseOptions, there_is_one_backend) {
    EXPECT_EQ(error_of({"--probe-backend", "kprobe", "list", "--probe-backend", "kprobe"}),
              "--probe-backend was given twice (see disarmd --help)");
    EXPECT_THAT(error_of({"list", "--probe-backend", "kprobe", "--probe-backend", "auto"}),
                HasSubstr("--probe-backend"));
}

TEST(ParseOptions, doctor_takes_json) {
    EXPECT_FALSE(parsed<DoctorOptions>({"doctor"}).json);
    EXPECT_TRUE(parsed<DoctorOptions>({"doctor", "--json"}).json);
}

TEST(ParseOptions, preflight_takes_files_and_names_of_modules) {
    const auto one = parsed<PreflightOptions>({"preflight", "m.ko"});
    EXPECT_THAT(one.files, ElementsAre("m.ko"));
    EXPECT_FALSE(one.json);
    const auto several = parsed<PreflightOptions>({"preflight", "a.ko", "--json", "b.ko.xz", "loop"});
    EXPECT_THAT(several.files, ElementsAre("a.ko", "b.ko.xz", "loop"));
    EXPECT_TRUE(several.json);
    EXPECT_THAT(error_of({"preflight"}), HasSubstr("required"));
    EXPECT_THAT(error_of({"preflight", "m.ko", "--module", "m"}), HasSubstr("--module"));
    EXPECT_THAT(error_of({"--probe-backend", "kprobe", "preflight", "m.ko"}),
                HasSubstr("--probe-backend does not go with preflight"));
    EXPECT_THAT(error_of({"--config", "f.toml", "preflight", "m.ko"}),
                HasSubstr("--config goes with run only"));
}

TEST(ParseOptions, autopsy_takes_files_or_standard_input_and_a_ledger) {
    const auto none = parsed<AutopsyOptions>({"autopsy"});
    EXPECT_THAT(none.files, ElementsAre("-"));
    EXPECT_EQ(none.ledger, std::nullopt);
    EXPECT_FALSE(none.json);
    const auto several = parsed<AutopsyOptions>({"autopsy", "a.log", "--json", "-", "--ledger", "l.db"});
    EXPECT_THAT(several.files, ElementsAre("a.log", "-"));
    EXPECT_EQ(several.ledger, "l.db");
    EXPECT_TRUE(several.json);
    EXPECT_THAT(error_of({"autopsy", "a.log", "--module", "m"}), HasSubstr("--module"));
    EXPECT_THAT(error_of({"--config", "f.toml", "autopsy", "a.log"}),
                HasSubstr("--config goes with run only"));
}

TEST(ParseOptions, incidents_alone_lists_what_the_service_has_recorded) {
    const auto incidents = parsed<IncidentsOptions>({"incidents"});
    EXPECT_EQ(incidents.id, std::nullopt);
    EXPECT_EQ(incidents.module, std::nullopt);
    EXPECT_EQ(incidents.ledger, std::nullopt);
    EXPECT_EQ(incidents.config, std::nullopt);
    EXPECT_FALSE(incidents.json);
}

TEST(ParseOptions, incidents_takes_an_id_or_a_module_and_a_ledger_or_a_configuration) {
    const auto one = parsed<IncidentsOptions>({"incidents", "0123", "--json", "--ledger", "l.db"});
    EXPECT_THAT(one.id, Optional(std::string("0123")));
    EXPECT_TRUE(one.json);
    EXPECT_THAT(one.ledger, Optional(std::string("l.db")));
    EXPECT_EQ(one.config, std::nullopt);
    const auto some = parsed<IncidentsOptions>({"incidents", "--module", "my-driver", "--config", "c.toml"});
    EXPECT_THAT(some.module, Optional(std::string("my_driver")));
    EXPECT_EQ(some.id, std::nullopt);
    EXPECT_THAT(some.config, Optional(std::string("c.toml")));
    EXPECT_EQ(some.ledger, std::nullopt);
}

TEST(ParseOptions, incidents_takes_nothing_that_excludes_another) {
    for (const Arguments& arguments : {Arguments{"incidents", "0123", "--module", "m"},
                                       {"incidents", "--module", "m", "0123"},
                                       {"incidents", "--ledger", "l", "--config", "c"},
                                       {"incidents", "--config", "c", "--ledger", "l"}}) {
        EXPECT_THAT(error_of(arguments), HasSubstr("excludes"));
        EXPECT_THAT(error_of(arguments), EndsWith("(see disarmd --help)"));
    }
    for (const Arguments& arguments : {Arguments{"incidents", "0123", "4567"},
                                       {"incidents", "--timeout", "5"},
                                       {"incidents", "--orphans"},
                                       {"incidents", "--module"},
                                       {"incidents", "--probe-backend", "kprobe"}})
        EXPECT_THAT(error_of(arguments), EndsWith("(see disarmd --help)"));
    EXPECT_EQ(error_of({"--probe-backend", "kprobe", "incidents"}),
              "--probe-backend does not go with incidents (see disarmd --help)");
    EXPECT_EQ(error_of({"--config", "c", "incidents"}), "--config goes with run only (see disarmd --help)");
    EXPECT_EQ(error_of({"incidents", "--", "x"}),
              "-- COMMAND goes with --watch-unload only (see disarmd --help)");
}

TEST(ParseOptions, verbose_is_every_commands) {
    for (const Arguments& arguments :
         {Arguments{"-v"}, {"--verbose"}, {"-v", "list"}, {"--verbose", "--watch-unload", "m"}}) {
        const auto options = parse_options(arguments);
        ASSERT_TRUE(options) << options.error().text();
        EXPECT_TRUE(options->verbose);
    }
    EXPECT_FALSE(parse_options({"list"})->verbose);
}

TEST(ParseOptions, watch_unload_alone_waits_without_an_end) {
    const auto watch = parsed<WatchUnloadOptions>({"--watch-unload", "m"});
    EXPECT_EQ(watch.module, "m");
    EXPECT_EQ(watch.timeout, std::nullopt);
    EXPECT_FALSE(watch.json);
    EXPECT_THAT(watch.command, IsEmpty());
}

TEST(ParseOptions, watch_unload_takes_everything_at_once) {
    const auto watch = parsed<WatchUnloadOptions>(
        {"--json", "--timeout", "2.5", "--watch-unload", "my-driver", "--", "rmmod", "-f", "my-driver"});
    EXPECT_EQ(watch.module, "my_driver");
    EXPECT_EQ(watch.timeout, 2'500'000us);
    EXPECT_TRUE(watch.json);
    EXPECT_THAT(watch.command, ElementsAre("rmmod", "-f", "my-driver"));
}

TEST(ParseOptions, nothing_after_the_dashes_is_disarmds) {
    const auto watch = parsed<WatchUnloadOptions>(
        {"--watch-unload", "m", "--", "sh", "--help", "--json", "--", "--timeout", "x", "", "list"});
    EXPECT_FALSE(watch.json);
    EXPECT_EQ(watch.timeout, std::nullopt);
    EXPECT_THAT(watch.command, ElementsAre("sh", "--help", "--json", "--", "--timeout", "x", "", "list"));
}

TEST(ParseOptions, a_command_wants_watch_unload) {
    for (const Arguments& arguments :
         {Arguments{"--", "rmmod", "m"}, {"run", "--", "x"}, {"list", "--", "x"}, {"doctor", "--"}})
        EXPECT_EQ(error_of(arguments), "-- COMMAND goes with --watch-unload only (see disarmd --help)");
}

TEST(ParseOptions, dashes_want_a_command) {
    EXPECT_EQ(error_of({"--watch-unload", "m", "--"}), "-- wants a COMMAND after it (see disarmd --help)");
}

TEST(ParseOptions, the_dashes_are_no_module) {
    EXPECT_THAT(error_of({"--watch-unload", "--", "rmmod"}), HasSubstr("--watch-unload"));
}

struct TimeoutCase {
    std::string text;
    std::chrono::microseconds timeout;

    friend void PrintTo(const TimeoutCase& value, std::ostream* out) { *out << value.text; }
};

class Timeout : public testing::TestWithParam<TimeoutCase> {};

TEST_P(Timeout, is_seconds_with_a_fraction) {
    EXPECT_EQ(parsed<WatchUnloadOptions>({"--watch-unload", "m", "--timeout", GetParam().text}).timeout,
              GetParam().timeout);
}

INSTANTIATE_TEST_SUITE_P(values, Timeout,
                         testing::Values(TimeoutCase{"1", 1s}, TimeoutCase{"60", 60s},
                                         TimeoutCase{"0.25", 250ms}, TimeoutCase{"0.001", 1ms},
                                         TimeoutCase{"1e9", 1'000'000'000s}));

class BadTimeout : public testing::TestWithParam<std::string> {};

TEST_P(BadTimeout, is_refused) {
    const auto error = error_of({"--watch-unload", "m", "--timeout", GetParam()});
    EXPECT_THAT(error, HasSubstr("--timeout"));
    EXPECT_THAT(error, EndsWith("(see disarmd --help)"));
}

INSTANTIATE_TEST_SUITE_P(values, BadTimeout,
                         testing::Values("0", "-1", "0.0009", "1e10", "abc", "5s", "", "inf", "nan", "-nan"));

TEST(ParseOptions, a_timeout_wants_a_value) {
    EXPECT_THAT(error_of({"--watch-unload", "m", "--timeout"}), HasSubstr("--timeout"));
}

TEST(ParseOptions, watch_unloads_options_want_it) {
    for (const Arguments& arguments :
         {Arguments{"--timeout", "5"}, {"--json"}, {"--json", "list"}, {"--timeout", "5", "run"}}) {
        const auto error = error_of(arguments);
        EXPECT_THAT(error, HasSubstr("--watch-unload"));
        EXPECT_THAT(error, EndsWith("(see disarmd --help)"));
    }
}

TEST(ParseOptions, watch_unload_goes_with_no_subcommand) {
    for (const std::string command : {"run", "list", "incidents", "doctor"})
        EXPECT_EQ(error_of({"--watch-unload", "m", command}),
                  "--watch-unload goes with no subcommand (see disarmd --help)");
}

TEST(ParseOptions, a_configuration_goes_with_run_only) {
    EXPECT_EQ(error_of({"--config", "f", "--watch-unload", "m"}),
              "--config goes with run only (see disarmd --help)");
    EXPECT_EQ(error_of({"--config", "f", "list"}), "--config goes with run only (see disarmd --help)");
    EXPECT_EQ(error_of({"--config", "f", "doctor"}), "--config goes with run only (see disarmd --help)");
}

TEST(ParseOptions, one_watch_has_one_module) {
    EXPECT_THAT(error_of({"--watch-unload", "m", "--watch-unload", "n"}), HasSubstr("--watch-unload"));
}

TEST(ParseOptions, a_flag_that_is_turned_off_is_off) {
    EXPECT_FALSE(parsed<WatchUnloadOptions>({"--watch-unload", "m", "--json=false"}).json);
    EXPECT_FALSE(parsed<ListOptions>({"list", "--json=false"}).json);
}

TEST(ParseOptions, refuses_what_it_does_not_know) {
    for (const Arguments& arguments : {Arguments{"unload"},
                                       {"--frob"},
                                       {"list", "extra"},
                                       {"run", "list"},
                                       {"-x"},
                                       {"list", "--frob"},
                                       {"--watch", "m"},
                                       {"doctor", "--module", "m"}})
        EXPECT_THAT(error_of(arguments), EndsWith("(see disarmd --help)"));
    EXPECT_THAT(error_of({"--frob"}), HasSubstr("--frob"));
}

TEST(ParseOptions, an_error_is_one_line_whatever_was_given) {
    EXPECT_THAT(error_of({"un\nload\x1b"}), HasSubstr("un\\x0aload\\x1b"));
    EXPECT_THAT(error_of({"--watch-unload", "m", "--timeout", "1\n2"}), HasSubstr("1\\x0a2"));
    EXPECT_THAT(error_of({"--watch-unload", "m\n\x1b[2J"}), HasSubstr("\"m\\x0a\\x1b[2J\""));
    EXPECT_THAT(error_of({"list", "--module", "m\n"}), HasSubstr("\"m\\x0a\""));
    EXPECT_THAT(error_of({"list", "--kind", "m\n"}), HasSubstr("m\\x0a"));
}

TEST(ParseOptions, help_tells_the_exit_codes) {
    for (const Arguments& arguments : {Arguments{"--help"}, {"-h"}, {"--watch-unload", "m", "--help"}}) {
        const auto text = parsed<PrintOptions>(arguments).text;
        EXPECT_THAT(text, HasSubstr("Usage: disarmd [run] [--config FILE]\n"));
        EXPECT_THAT(
            text,
            HasSubstr("disarmd --watch-unload MODULE [--timeout SEC] [--json | --ktap] [-- COMMAND ARG...]"));
        EXPECT_THAT(text, HasSubstr("Exit codes:"));
        for (const std::string code : {"    0  clean", "    1  found", "    2  usage", "    3  inconclusive",
                                       "    4  not possible", "  124  --timeout"})
            EXPECT_THAT(text, HasSubstr("\n" + code));
        EXPECT_EQ(text.back(), '\n');
    }
}

TEST(ParseOptions, help_names_every_command_and_option) {
    const auto text = parsed<PrintOptions>({"--help"}).text;
    for (const std::string word :
         {"run",      "list",      "preflight", "autopsy",  "incidents",       "check-config", "allow-once",
          "release",  "doctor",    "--ledger",  "--module", "--watch-unload",  "--timeout",    "--json",
          "--config", "--verbose", "--version", "--help",   "--probe-backend", "--orphans",    "--kind",
          "--sort",   "--next",    "--rate",    "--watch",  "--ndjson"})
        EXPECT_THAT(text, HasSubstr(word));
}

TEST(ParseOptions, a_subcommand_has_its_own_help) {
    const auto text = parsed<PrintOptions>({"list", "--help"}).text;
    EXPECT_THAT(text, HasSubstr("--module"));
    EXPECT_THAT(text, testing::Not(HasSubstr("Usage: disarmd [run]")));
}

TEST(ParseOptions, version_is_one_line) {
    EXPECT_EQ(parsed<PrintOptions>({"--version"}).text, "disarmd " DISARMD_VERSION "\n");
}

TEST(ParseModuleName, takes_what_lsmod_shows) {
    for (const std::string name : {"m", "nf_conntrack", "8021q", "X25_asy", "_m_"}) {
        const auto parsed_name = parse_module_name(name);
        ASSERT_TRUE(parsed_name) << parsed_name.error().text();
        EXPECT_EQ(*parsed_name, name);
    }
}

TEST(ParseModuleName, spells_dashes_as_the_kernel_does) {
    EXPECT_EQ(*parse_module_name("snd-hda-intel"), "snd_hda_intel");
    EXPECT_EQ(*parse_module_name("-"), "_");
}

TEST(ParseModuleName, may_fill_the_kernels_field_but_for_the_nul) {
    const std::string longest(55, 'm');
    ASSERT_TRUE(parse_module_name(longest));
    EXPECT_EQ(*parse_module_name(longest), longest);
    const auto longer = parse_module_name(longest + "m");
    ASSERT_FALSE(longer);
    EXPECT_EQ(longer.error().code(), EINVAL);
    EXPECT_EQ(longer.error().text(),
              "\"" + longest + "m\" can't be a module's name: it is longer than 55 characters");
}

struct NameCase {
    std::string name;
    std::string error;

    friend void PrintTo(const NameCase& value, std::ostream* out) { *out << value.error; }
};

class BadModuleName : public testing::TestWithParam<NameCase> {};

TEST_P(BadModuleName, is_refused_with_a_reason_everywhere) {
    const auto name = parse_module_name(GetParam().name);
    ASSERT_FALSE(name) << *name;
    EXPECT_EQ(name.error().code(), EINVAL);
    EXPECT_EQ(name.error().text(), GetParam().error);
    EXPECT_EQ(error_of({"--watch-unload", GetParam().name}), GetParam().error);
    if (GetParam().name != "m*") { // it takes patterns
        EXPECT_EQ(error_of({"list", "--module", GetParam().name}), GetParam().error);
    }
    EXPECT_EQ(error_of({"incidents", "--module", GetParam().name}), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    names, BadModuleName,
    testing::Values(
        NameCase{"./m.ko",
                 R"("./m.ko" can't be a module's name: give the name that lsmod shows, not a file)"},
        NameCase{"m.ko", R"("m.ko" can't be a module's name: give the name that lsmod shows, not a file)"},
        NameCase{"a/b", R"("a/b" can't be a module's name: give the name that lsmod shows, not a file)"},
        NameCase{"a b", R"("a b" can't be a module's name: only letters, digits, '_' and '-' occur in one)"},
        NameCase{"m.x", R"("m.x" can't be a module's name: only letters, digits, '_' and '-' occur in one)"},
        NameCase{"m*", R"("m*" can't be a module's name: only letters, digits, '_' and '-' occur in one)"},
        NameCase{"m\x1b",
                 R"("m\x1b" can't be a module's name: only letters, digits, '_' and '-' occur in one)"},
        NameCase{"\xc3\xa9",
                 R"("\xc3\xa9" can't be a module's name: only letters, digits, '_' and '-' occur in one)"}));

TEST(ParseModuleName, is_never_empty) {
    const auto name = parse_module_name("");
    ASSERT_FALSE(name);
    EXPECT_EQ(name.error().text(), R"("" can't be a module's name: it is empty)");
}

} // namespace
} // namespace disarmd
