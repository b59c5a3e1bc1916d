#pragma once
#include "cli/console.hpp"
#include "cli/load_run.hpp"
#include "cli/trial_grid.hpp"

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace windtunnel {

// What every command that runs trials shares.

/// Scenario, manifests, trace, --set, --duration, --start.
void add_input_flags(CLI::App& command, RunFlags& flags);
/// --seed, --trials, --precision, threads, backend, server.
void add_trial_flags(CLI::App& command, RunFlags& flags);
/// --shard. `what` is divided: "trials".
void add_shard_flag(CLI::App& command, RunFlags& flags, const std::string& what);
/// --color, --quiet, --no-progress.
void add_talk_flags(CLI::App& command, RunFlags& flags);

/// A flag that takes a share: "2%" or "0.02", above 0 and below 1.
CLI::Option* add_share_flag(CLI::App& command, const std::string& name, std::optional<double>& into,
                            const std::string& description);

/// What can be known to fail before anything long is done.
[[nodiscard]] Problems problems_of_flags(const RunFlags& flags);
/// What stands against writing `file` besides an input of the run.
[[nodiscard]] Problems problems_of_output(const RunFlags& flags, const std::string& file);

[[nodiscard]] ColorChoice color_choice(const std::string& name);

/// Says which trials broke and how to see one alone; gives the exit code.
[[nodiscard]] int report_broken(const std::vector<BrokenTrial>& broken, std::uint64_t seed,
                                const std::string& command);

}  // namespace windtunnel
