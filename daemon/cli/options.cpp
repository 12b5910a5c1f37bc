// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <CLI/CLI.hpp>
#include <disarmd/abi.h>
#include <fmt/format.h>

#include "base/text.h"
#include "config/config.h"
#include "policy/policy.h"

namespace disarmd {

namespace {

constexpr const char* footer = R"(
Exit codes:
    0  clean: nothing found
    1  found: a timer was still pending when its module was freed; preflight: a finding that
       is certain or likely (with weaker ones alone it is 0)
    2  usage or configuration error; preflight: a file that can't be read, or is no x86-64 module
    3  inconclusive: no verdict that can be relied on (also: COMMAND ended and the module
       was not unloaded; interrupted)
    4  not possible on this machine (disarmd doctor says why)
  124  --timeout ran out

Examples:
  disarmd --watch-unload my_driver -- rmmod my_driver
  disarmd --watch-unload my_driver --json --timeout 60 > verdict.json
  disarmd --watch-unload my_driver --ktap -- sh -c 'insmod my_driver.ko && rmmod my_driver'
  disarmd list --module my_driver
  disarmd preflight my_driver.ko
  disarmd incidents)";

constexpr const char* autopsy_footer = R"(
Verdicts: this-pattern (exit 1); related, other code of a freed module ran, and not-this-pattern
(exit 0); cant-tell (exit 3). Of several files the exit code is the gravest: 2, 1, 3, 0.
)";

constexpr const char* preflight_footer = R"(
Findings are certain, likely, race or possible. Exit codes: 1 if any is certain or likely; 0 if
there are weaker ones alone, or none; 2 if a file can't be read or is no x86-64 module. Of several
files the worst counts.)";

constexpr const char* list_footer = R"(
Exit codes: 0 if it told all that it was asked for, also that there is nothing, or was interrupted
in a --watch; 2 for a module that is not loaded; 3 if timers may be missing, or what it told could
not be written; 4 if it is not possible on this machine.

Examples:
  disarmd list --next 5
  disarmd list --module 'my_*' --watch --sort rate
  disarmd list --rate 5 --ndjson | jq -r 'select(.arms_per_s > 100) | .symbol')";

constexpr const char* see_help = "see disarmd --help";

// CLI11's own usage line can't tell of "-- COMMAND" and of what excludes what.
class HelpFormatter : public CLI::Formatter {
public:
    std::string make_usage(const CLI::App* app, std::string name) const override {
        if (app->get_parent() != nullptr)
            return CLI::Formatter::make_usage(app, "disarmd " + name);
        return "Usage: disarmd [run] [--config FILE]\n"
               "       disarmd --watch-unload MODULE [--timeout SEC] [--json | --ktap] [-- COMMAND ARG...]\n"
               "       disarmd list [--module M | --orphans] [--kind KIND,...] [--next [N] | --sort BY]\n"
               "                    [--rate [SEC] | --watch [SEC]] [--json | --ndjson]\n"
               "       disarmd preflight FILE.ko|MODULE... [--json]\n"
               "       disarmd incidents [ID | --module M] [--json] [--ledger FILE]\n"
               "       disarmd doctor [--json]\n"
               "       disarmd check-config [FILE]\n"
               "       disarmd allow-once MODULE\n"
               "       disarmd release\n"
               "run, --watch-unload, list and doctor take --probe-backend auto|tracepoint|kprobe.\n";
    }
};

const std::map<std::string, TimerKind>& kinds() {
    static const auto words = [] {
        std::map<std::string, TimerKind> by_word;
        for (const auto kind : all_timer_kinds)
            by_word.emplace(name_of(kind), kind);
        return by_word;
    }();
    return words;
}

const std::map<std::string, ListOrder>& orders() {
    static const std::map<std::string, ListOrder> words{{"module", ListOrder::module},
                                                        {"count", ListOrder::count},
                                                        {"rate", ListOrder::rate},
                                                        {"next", ListOrder::next}};
    return words;
}

std::chrono::microseconds duration_of(double seconds) {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::duration<double>(seconds));
}

// Of disarmd list. What the parser fills in lives as long as this.
class ListParser {
public:
    ListParser(CLI::App& command, ListOptions& list);

    // After the parsing: the rest of the options, or what is wrong.
    [[nodiscard]] Result<void> finish() const;

private:
    ListOptions& list_;
    std::string module_;
    std::vector<std::string> kinds_;
    std::string order_ = "module";
    std::size_t next_ = 0;
    double rate_s_ = 0;
    double watch_s_ = 0;
    CLI::Option* module_option_;
    CLI::Option* next_option_ = nullptr;
    CLI::Option* rate_option_ = nullptr;
    CLI::Option* watch_option_ = nullptr;
};

ListParser::ListParser(CLI::App& command, ListOptions& list) : list_(list) {
    const auto seconds = CLI::Range(0.1, 86'400.0);
    module_option_ =
        command.add_option("--module", module_, "only the timers of this module, or of those of a pattern")
            ->type_name("M");
    command.add_option("--kind", kinds_, "only timers of this kind, or these, by commas")
        ->type_name("KIND,...")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->check(CLI::IsMember(&kinds()));
    auto* const orphans = command.add_flag("--orphans", list.orphans, "only timers whose module is gone");
    auto* const order = command.add_option("--sort", order_, "by what the lines are sorted [module]")
                            ->type_name("module|count|rate|next")
                            ->check(CLI::IsMember(&orders()));
    next_option_ =
        command.add_option("--next", next_, "only the next N timers to fire, of whatever module [10]")
            ->type_name("[N]")
            ->expected(0, 1)
            ->check(CLI::PositiveNumber);
    rate_option_ =
        command.add_option("--rate", rate_s_, "watch for SEC seconds how often timers are armed [1]")
            ->type_name("[SEC]")
            ->expected(0, 1)
            ->check(seconds);
    watch_option_ = command.add_option("--watch", watch_s_, "look every SEC seconds, until interrupted [2]")
                        ->type_name("[SEC]")
                        ->expected(0, 1)
                        ->check(seconds);
    auto* const json = command.add_flag("--json", list.json, "print one JSON object instead of a table");
    auto* const ndjson =
        command.add_flag("--ndjson", list.ndjson, "print a JSON object for each timer, on a line, instead");
    command.footer(list_footer);
    next_option_->default_str("10");
    rate_option_->default_str("1");
    watch_option_->default_str("2");
    orphans->excludes(module_option_)->excludes(order)->excludes(rate_option_);
    order->excludes(next_option_)->excludes(ndjson);
    rate_option_->excludes(watch_option_);
    json->excludes(order)->excludes(next_option_)->excludes(rate_option_)->excludes(watch_option_);
    json->excludes(ndjson);
}

Result<void> ListParser::finish() const {
    list_.order = orders().at(order_);
    if (list_.order == ListOrder::rate && rate_option_->empty() && watch_option_->empty())
        return fail({EINVAL, fmt::format("--sort rate goes with --rate or --watch only ({})", see_help)});
    for (const auto& word : kinds_)
        list_.kinds.push_back(kinds().at(word));
    if (std::isnan(rate_s_) || std::isnan(watch_s_)) // which no range check catches
        return fail({EINVAL, fmt::format("--rate and --watch want a number of seconds ({})", see_help)});
    if (!next_option_->empty())
        list_.next = next_;
    if (!rate_option_->empty())
        list_.rate = duration_of(rate_s_);
    if (!watch_option_->empty())
        list_.watch = duration_of(watch_s_);
    if (module_option_->empty())
        return {};
    if (module_.find_first_of("*?[") == std::string::npos) {
        auto name = parse_module_name(module_);
        if (!name)
            return fail(name.error());
        list_.module = std::move(*name);
        return {};
    }
    Rule rule;
    rule.module = module_;
    if (const auto pattern = compile(rule); !pattern)
        return fail({EINVAL, fmt::format("--module: {} ({})", pattern.error().text(), see_help)});
    list_.module = module_;
    return {};
}

bool is_name_character(char c) {
    // What kmod and the build system let into a module's name.
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

} // namespace

Result<std::string> parse_module_name(const std::string& text) {
    const auto refuse = [&](std::string_view why) {
        return fail({EINVAL, fmt::format("\"{}\" can't be a module's name: {}", printable(text), why)});
    };
    if (text.empty())
        return refuse("it is empty");
    if (text.find('/') != std::string::npos || text.ends_with(".ko"))
        return refuse("give the name that lsmod shows, not a file");
    if (!std::ranges::all_of(text, is_name_character))
        return refuse("only letters, digits, '_' and '-' occur in one");
    if (text.size() >= DISARMD_MODULE_NAME_LEN)
        return refuse(fmt::format("it is longer than {} characters", DISARMD_MODULE_NAME_LEN - 1));
    std::string name = text;
    std::ranges::replace(name, '-', '_');
    return name;
}

Result<Options> parse_options(const std::vector<std::string>& arguments) {
    // COMMAND is cut off first: its options are not ours.
    const auto dashes = std::ranges::find(arguments, "--");
    std::vector<std::string> own(arguments.begin(), dashes);
    std::vector<std::string> command;
    if (dashes != arguments.end())
        command.assign(dashes + 1, arguments.end());

    CLI::App app{"Tells whether a kernel module is freed while one of its timers is still armed.", "disarmd"};
    app.footer(footer);
    app.formatter(std::make_shared<HelpFormatter>());
    app.set_version_flag("--version", "disarmd " DISARMD_VERSION);
    Options options;
    app.add_flag("-v,--verbose", options.verbose, "say more on stderr, libbpf's log included");

    WatchUnloadOptions watch;
    std::string watched;
    double timeout_seconds = 0;
    auto* const watch_option =
        app.add_option("--watch-unload", watched,
                       "watch one unload of MODULE and exit with its verdict; MODULE may be loaded later")
            ->type_name("MODULE");
    auto* const timeout_option =
        app.add_option("--timeout", timeout_seconds, "give up after SEC seconds (exit 124)")
            ->type_name("SEC")
            ->check(CLI::Range(0.001, 1e9))
            ->needs(watch_option);
    auto* const watch_json =
        app.add_flag("--json", watch.json, "print one JSON object instead of text")->needs(watch_option);
    app.add_flag("--ktap", watch.ktap, "print KTAP, as the kernel's own tests do, instead of text")
        ->needs(watch_option)
        ->excludes(watch_json);
    constexpr const char* module_file_help =
        "the module with its debug information, for source lines [as modprobe finds it]";
    app.add_option("--module-file", watch.module_file, module_file_help)
        ->type_name("FILE.ko")
        ->needs(watch_option);

    RunOptions run;
    auto* const run_command = app.add_subcommand("run", "the service, in the foreground (the default)");
    for (auto* const where : {&app, run_command})
        where->add_option("--config", run.config, "configuration file [/etc/disarmd/disarmd.toml]")
            ->type_name("FILE");
    for (auto* const where : {&app, run_command})
        where->add_flag("--require-enforcement", run.require_enforcement,
                        "don't start where what the rules want has no effect");

    ListOptions list;
    auto* const list_command = app.add_subcommand("list", "what is armed now, by module");
    ListParser list_parser(*list_command, list);

    PreflightOptions preflight;
    auto* const preflight_command =
        app.add_subcommand("preflight", "what a module's code says before it is ever unloaded");
    preflight_command
        ->add_option("module", preflight.files,
                     "a module's file (.ko, .ko.xz, .ko.zst, .ko.gz), or the name of one that modprobe finds")
        ->type_name("FILE.ko|MODULE")
        ->required();
    preflight_command->add_flag("--json", preflight.json,
                                "print a JSON object for each, on a line, instead of text");
    preflight_command->footer(preflight_footer);

    AutopsyOptions autopsy;
    auto* const autopsy_command =
        app.add_subcommand("autopsy", "is this crash that of a timer whose module was freed? which module?");
    autopsy_command
        ->add_option("file", autopsy.files,
                     "what there is of a crash: a console's log, vmcore-dmesg, pstore, journalctl -k, "
                     "crash's bt; - is standard input [-]")
        ->type_name("FILE");
    autopsy_command
        ->add_option(
            "--ledger", autopsy.ledger,
            "what the service recorded on the host that crashed, brought from there; without it this "
            "host's is searched for the very timer, if it can be read")
        ->type_name("FILE");
    autopsy_command->add_flag("--json", autopsy.json,
                              "print a JSON object for each, on a line, instead of text");
    autopsy_command->footer(autopsy_footer);

    IncidentsOptions incidents;
    std::string incidents_module;
    auto* const incidents_command =
        app.add_subcommand("incidents", "what the service has recorded: a list, or one of them");
    auto* const id_option =
        incidents_command->add_option("id", incidents.id, "one incident, by its id or the begin of it")
            ->type_name("ID");
    auto* const incidents_module_option =
        incidents_command->add_option("--module", incidents_module, "only this module's")
            ->type_name("M")
            ->excludes(id_option);
    auto* const ledger_option =
        incidents_command->add_option("--ledger", incidents.ledger, "read this file [the configuration's]")
            ->type_name("FILE");
    incidents_command
        ->add_option("--config", incidents.config, "configuration file [/etc/disarmd/disarmd.toml]")
        ->type_name("FILE")
        ->excludes(ledger_option);
    auto* const incidents_json =
        incidents_command->add_flag("--json", incidents.json, "print one JSON object instead of text");
    incidents_command->add_option("--module-file", incidents.module_file, module_file_help)
        ->type_name("FILE.ko")
        ->needs(id_option)
        ->excludes(incidents_json);

    DoctorOptions doctor;
    auto* const doctor_command = app.add_subcommand("doctor", "what this kernel lets disarmd see");
    doctor_command->add_flag("--json", doctor.json, "print one JSON object instead of text");

    CheckConfigOptions check;
    auto* const check_command =
        app.add_subcommand("check-config", "whether a configuration is right, and which rules it has");
    check_command->add_option("FILE", check.file, "configuration file [/etc/disarmd/disarmd.toml]");

    std::string allowed;
    auto* const allow_command =
        app.add_subcommand("allow-once", "let one unload of MODULE through, whatever the rules say");
    allow_command->add_option("MODULE", allowed, "within ten minutes")->required();

    auto* const release_command = app.add_subcommand(
        "release", "take everything out of the kernel that a service has left there, denying included");

    std::string backend_word;
    std::vector<CLI::Option*> backend_options;
    for (auto* const where : {&app, run_command, list_command, doctor_command})
        backend_options.push_back(
            where->add_option("--probe-backend", backend_word, "how timers are watched [auto]")
                ->type_name("auto|tracepoint|kprobe"));

    app.require_subcommand(0, 1);
    try {
        std::ranges::reverse(own); // CLI11 takes a vector back to front
        app.parse(own);
    } catch (const CLI::CallForHelp&) {
        const auto chosen = app.get_subcommands();
        return Options{false, PrintOptions{chosen.empty() ? app.help() : chosen.front()->help()}};
    } catch (const CLI::CallForVersion& version) {
        return Options{false, PrintOptions{std::string(version.what()) + "\n"}};
    } catch (const CLI::ParseError& error) {
        return fail({EINVAL, fmt::format("{} ({})", printable(error.what()), see_help)});
    }

    const bool any_subcommand = !app.get_subcommands().empty();
    if (!watch_option->empty() && any_subcommand)
        return fail({EINVAL, fmt::format("--watch-unload goes with no subcommand ({})", see_help)});
    if (watch_option->empty() && dashes != arguments.end())
        return fail({EINVAL, fmt::format("-- COMMAND goes with --watch-unload only ({})", see_help)});
    if (dashes != arguments.end() && command.empty())
        return fail({EINVAL, fmt::format("-- wants a COMMAND after it ({})", see_help)});

    const auto parsed = app.get_subcommands();
    const bool runs = watch_option->empty() && (parsed.empty() || parsed.front() == run_command);
    if (run.config && !runs)
        return fail({EINVAL, fmt::format("--config goes with run only ({})", see_help)});
    if (run.require_enforcement && !runs)
        return fail({EINVAL, fmt::format("--require-enforcement goes with run only ({})", see_help)});

    const bool probes = parsed.empty() || runs || list_command->parsed() || doctor_command->parsed();
    if (!probes && !backend_options.front()->empty())
        return fail({EINVAL, fmt::format("--probe-backend does not go with {} ({})",
                                         parsed.front()->get_name(), see_help)});

    std::optional<Backend> backend;
    switch (std::ranges::count(backend_options, false, &CLI::Option::empty)) {
    case 0:
        break;
    case 1:
        backend = backend_named(backend_word);
        if (!backend)
            return fail({EINVAL, fmt::format("--probe-backend must be {}, not \"{}\" ({})", backend_words,
                                             printable(backend_word), see_help)});
        break;
    default:
        return fail({EINVAL, fmt::format("--probe-backend was given twice ({})", see_help)});
    }
    run.backend = backend;
    watch.backend = list.backend = doctor.backend = backend.value_or(Backend::automatic);

    if (!watch_option->empty()) {
        auto name = parse_module_name(watched);
        if (!name)
            return fail(name.error());
        watch.module = std::move(*name);
        if (std::isnan(timeout_seconds)) // which no range check catches
            return fail({EINVAL, fmt::format("--timeout wants a number of seconds ({})", see_help)});
        if (!timeout_option->empty())
            watch.timeout = duration_of(timeout_seconds);
        watch.command = std::move(command);
        options.command = std::move(watch);
    } else if (list_command->parsed()) {
        if (auto finished = list_parser.finish(); !finished)
            return fail(finished.error());
        options.command = std::move(list);
    } else if (preflight_command->parsed()) {
        options.command = std::move(preflight);
    } else if (autopsy_command->parsed()) {
        if (autopsy.files.empty())
            autopsy.files.emplace_back("-");
        options.command = std::move(autopsy);
    } else if (incidents_command->parsed()) {
        if (!incidents_module_option->empty()) {
            auto name = parse_module_name(incidents_module);
            if (!name)
                return fail(name.error());
            incidents.module = std::move(*name);
        }
        options.command = std::move(incidents);
    } else if (doctor_command->parsed()) {
        options.command = doctor;
    } else if (check_command->parsed()) {
        options.command = std::move(check);
    } else if (allow_command->parsed()) {
        auto name = parse_module_name(allowed);
        if (!name)
            return fail(name.error());
        options.command = AllowOnceOptions{std::move(*name)};
    } else if (release_command->parsed()) {
        options.command = ReleaseOptions{};
    } else {
        options.command = std::move(run);
    }
    return options;
}

} // namespace disarmd
