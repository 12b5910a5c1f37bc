// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include <algorithm>
#include <cmath>

#include <CLI/CLI.hpp>
#include <disarmd/abi.h>
#include <fmt/format.h>

#include "base/text.h"
#include "config/config.h"

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

constexpr const char* preflight_footer = R"(
Findings are certain, likely, race or possible. Exit codes: 1 if any is certain or likely; 0 if
there are weaker ones alone, or none; 2 if a file can't be read or is no x86-64 module. Of several
files the worst counts.)";

constexpr const char* see_help = "see disarmd --help";

// CLI11's own usage line can't tell of "-- COMMAND" and of what excludes what.
class HelpFormatter : public CLI::Formatter {
public:
    std::string make_usage(const CLI::App* app, std::string name) const override {
        if (app->get_parent() != nullptr)
            return CLI::Formatter::make_usage(app, "disarmd " + name);
        return "Usage: disarmd [run] [--config FILE]\n"
               "       disarmd --watch-unload MODULE [--timeout SEC] [--json | --ktap] [-- COMMAND ARG...]\n"
               "       disarmd list [--module M | --orphans] [--json]\n"
               "       disarmd preflight FILE.ko|MODULE... [--json]\n"
               "       disarmd incidents [ID | --module M] [--json] [--ledger FILE]\n"
               "       disarmd doctor [--json]\n"
               "       disarmd check-config [FILE]\n"
               "       disarmd allow-once MODULE\n"
               "       disarmd release\n"
               "run, --watch-unload, list and doctor take --probe-backend auto|tracepoint|kprobe.\n";
    }
};

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
    std::string listed;
    auto* const list_command = app.add_subcommand("list", "what is armed now, by module");
    auto* const listed_option =
        list_command->add_option("--module", listed, "only this module's timers")->type_name("M");
    list_command->add_flag("--orphans", list.orphans, "only timers whose module is gone");
    list_command->add_flag("--json", list.json, "print one JSON object instead of a table");

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

    if (list.orphans && !listed_option->empty())
        return fail({EINVAL, fmt::format("--orphans are of no module: leave --module out ({})", see_help)});

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
            watch.timeout = std::chrono::duration_cast<std::chrono::microseconds>(
                std::chrono::duration<double>(timeout_seconds));
        watch.command = std::move(command);
        options.command = std::move(watch);
    } else if (list_command->parsed()) {
        if (!listed_option->empty()) {
            auto name = parse_module_name(listed);
            if (!name)
                return fail(name.error());
            list.module = std::move(*name);
        }
        options.command = std::move(list);
    } else if (preflight_command->parsed()) {
        options.command = std::move(preflight);
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
