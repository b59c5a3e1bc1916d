#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace windtunnel {

enum ExitCode : int {
    answered = 0,
    negative_verdict = 1,
    bad_input = 2,
    run_broke = 3,
    inconclusive = 4,
    interrupted = 130
};

/// What a command that was named on the command line leaves to be done: it runs after all flags are read and
/// gives the exit code.
struct Invocation {
    std::string command;          ///< as typed, quoted for a shell
    std::function<int()> action;  ///< empty when no command was given
};

// One of these per command, in a file of its own. Each adds its flags and, when named, sets the action.
void add_run_command(CLI::App& app, Invocation& invocation);
void add_check_command(CLI::App& app, Invocation& invocation);
void add_diff_command(CLI::App& app, Invocation& invocation);
void add_sweep_command(CLI::App& app, Invocation& invocation);
void add_plan_command(CLI::App& app, Invocation& invocation);
void add_cost_command(CLI::App& app, Invocation& invocation);
void add_report_command(CLI::App& app, Invocation& invocation);
void add_merge_command(CLI::App& app, Invocation& invocation);
void add_export_command(CLI::App& app, Invocation& invocation);
void add_kv_command(CLI::App& app, Invocation& invocation);
void add_bench_command(CLI::App& app, Invocation& invocation);
void add_calibrate_command(CLI::App& app, Invocation& invocation);
void add_trace_command(CLI::App& app, Invocation& invocation);
void add_spot_command(CLI::App& app, Invocation& invocation);
void add_prices_command(CLI::App& app, Invocation& invocation);
void add_validate_command(CLI::App& app, Invocation& invocation);
void add_gallery_command(CLI::App& app, Invocation& invocation);
void add_version_command(CLI::App& app, Invocation& invocation);

/// The program. Usage errors give 2, our own mistakes 3; help and version 0.
[[nodiscard]] int run_command_line(int argc, const char* const* argv);

/// An option that takes a list, one value each time it is given.
template <class T>
CLI::Option* add_list(CLI::App& app, const std::string& name, std::vector<T>& into,
                      const std::string& description) {
    return app.add_option(name, into, description)->take_all()->allow_extra_args(false);
}

}  // namespace windtunnel
