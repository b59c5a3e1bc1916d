#include "cli/command_line.hpp"

#include "cli/console.hpp"
#include "models/problem.hpp"
#include "models/version.hpp"
#include "scenarios/documents/suggest.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <new>

namespace windtunnel {

namespace {

constexpr const char* description =
    "Windtunnel: what a GPU inference cluster would cost and which latency objectives it would miss, from "
    "its\n"
    "Kubernetes manifests and a request trace, before anything is deployed.";

constexpr const char* footer =
    "\nExit codes: 0 answered; 1 negative verdict (check, diff --exit-code, plan without an answer, kv that does not fit,\n"
    "validate --strict); 2 usage or input error; 3 the run itself broke; 4 inconclusive (check); 130 interrupted.\n"
    "Data goes to standard output, everything else to standard error.\n\n"
    "Examples:\n"
    "  windtunnel run scenario.yaml\n"
    "  windtunnel check scenario.yaml --base git:main --report junit=check.xml\n"
    "  windtunnel sweep scenario.yaml --vary Deployment/chat:--max-num-seqs=16:256:*2 --race cost_per_month\n"
    "  windtunnel plan scenario.yaml --slo 'p99 ttft_ms < 800' -o patch\n"
    "  windtunnel kv --model meta-llama/Llama-3.1-8B-Instruct --gpu l4-24gb\n"
    "  windtunnel bench --model Qwen/Qwen3-32B --gpu h100-sxm-80gb --tp 2 --max-concurrency 64\n"
    "  windtunnel trace stats requests.csv.zst\n"
    "  windtunnel gallery list\n";

std::string quoted(const std::string& word) {
    const char* plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
    if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
    std::string out = "'";
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

std::string as_typed(int argc, const char* const* argv) {
    std::string out = "windtunnel";
    for (int i = 1; i < argc; ++i) out += ' ' + quoted(argv[i]);
    return out;
}

const CLI::App& innermost(const CLI::App& app) {
    const auto named = app.get_subcommands();
    return named.empty() ? app : innermost(*named.front());
}

/// Says what was not expected, and what may have been meant.
void print_extras(const CLI::App& app) {
    const CLI::App& command = innermost(app);
    const std::vector<std::string> extras = app.remaining(true);
    // What follows an unknown flag is most likely its value.
    const std::string found = extras.empty() ? "" : extras.front();
    const bool flag = found.rfind('-', 0) == 0;
    // Names are compared without their dashes, which all flags have in common; one that is far from all is no slip.
    std::vector<std::string> known;
    if (flag)
        for (const CLI::Option* o : command.get_options())
            for (const std::string& name : o->get_lnames()) known.push_back(name);
    else
        for (const CLI::App* s : command.get_subcommands([](const CLI::App*) { return true; }))
            known.push_back(s->get_name());
    const std::size_t begin = std::min(found.find_first_not_of('-'), found.size());
    const std::string meant = nearest_name(found.substr(begin, found.find('=') - begin), known);
    print_error("found '" + found + "', which is " + (flag ? "no flag" : "not expected here") +
                (meant.empty() ? "" : std::string("; did you mean '") + (flag ? "--" : "") + meant + "'?"));
}

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
    // A misspelt flag is why a required one is missing: that is said instead.
    const bool missing = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr || (missing && !app.remaining(true).empty()))
        print_extras(app);
    else
        print_error(error.what());
    std::string help = "windtunnel";
    for (const CLI::App* a = &app; !a->get_subcommands().empty();) {
        a = a->get_subcommands().front();
        help += ' ' + a->get_name();
    }
    print_line(help + " --help says what is allowed");
    return bad_input;
}

/// What a numeric flag may be given: CLI11 takes -1 for a large unsigned number, wraps what is too large and
/// takes an empty text for no flag at all.
CLI::Validator number_check(const std::string& type) {
    return CLI::Validator(
        [type](const std::string& text) -> std::string {
            const bool whole = type == "UINT" || type == "INT";
            const std::string_view digits =
                type == "UINT" ? std::string_view(text)
                               : std::string_view(text).substr(text.starts_with('-') ? 1 : 0);
            bool good = !digits.empty();
            if (whole) {
                std::uint64_t value = 0;
                const auto [end, error] =
                    std::from_chars(digits.data(), digits.data() + digits.size(), value);
                good = good && error == std::errc{} && end == digits.data() + digits.size();
            } else {
                double value = 0;
                const auto [end, error] =
                    std::from_chars(digits.data(), digits.data() + digits.size(), value);
                good = good && error == std::errc{} && end == digits.data() + digits.size();
            }
            if (good) return "";
            return "found '" + text + "', allowed: " +
                   (type == "UINT" ? "a whole number of at least 0"
                    : whole        ? "a whole number"
                                   : "a number");
        },
        "");
}

void check_numbers(CLI::App& app) {
    for (CLI::Option* option : app.get_options())
        if (const std::string type = option->get_type_name();
            type == "UINT" || type == "INT" || type == "FLOAT")
            option->check(number_check(type));
    for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
        check_numbers(*command);
}

/// What scripts give every command is taken by those, too, that have nothing to colour or to keep quiet about.
void take_talk_flags(CLI::App& command) {
    const auto inner = command.get_subcommands([](const CLI::App*) { return true; });
    for (CLI::App* c : inner) take_talk_flags(*c);
    if (!inner.empty()) return;
    constexpr const char* hidden = "";
    if (command.get_option_no_throw("--color") == nullptr)
        command.add_option("--color")->check(CLI::IsMember({"auto", "always", "never"}))->group(hidden);
    if (command.get_option_no_throw("--quiet") == nullptr) command.add_flag("-q,--quiet")->group(hidden);
    if (command.get_option_no_throw("--no-progress") == nullptr)
        command.add_flag("--no-progress")->group(hidden);
}

int act(const CLI::App& app, const Invocation& invocation) {
    if (!invocation.action) {
        print_line(app.help());
        return bad_input;
    }
    try {
        return invocation.action();
    } catch (const InternalError& e) {
        print_error(std::string("a mistake of windtunnel's own: ") + e.what());
    } catch (const std::bad_alloc&) {
        print_error("out of memory");
    } catch (const std::exception& e) {
        print_error(std::string("the run broke: ") + e.what());
    }
    print_line("this happens again with: " + invocation.command);
    return run_broke;
}

}  // namespace

int run_command_line(int argc, const char* const* argv) {
    CLI::App app(description, "windtunnel");
    app.footer(footer);
    app.set_version_flag("--version", std::string("windtunnel ") + version);
    app.option_defaults()->take_last();
    app.get_formatter()->column_width(34);
    Invocation invocation;
    invocation.command = as_typed(argc, argv);
    add_run_command(app, invocation);
    add_check_command(app, invocation);
    add_diff_command(app, invocation);
    add_sweep_command(app, invocation);
    add_plan_command(app, invocation);
    add_cost_command(app, invocation);
    add_report_command(app, invocation);
    add_merge_command(app, invocation);
    add_export_command(app, invocation);
    add_kv_command(app, invocation);
    add_bench_command(app, invocation);
    add_calibrate_command(app, invocation);
    add_trace_command(app, invocation);
    add_spot_command(app, invocation);
    add_prices_command(app, invocation);
    add_validate_command(app, invocation);
    add_gallery_command(app, invocation);
    add_version_command(app, invocation);
    check_numbers(app);
    take_talk_flags(app);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& success) {  // help and version
        return app.exit(success);
    } catch (const CLI::ParseError& error) {
        return usage_error(app, error);
    }
    return act(app, invocation);
}

}  // namespace windtunnel
