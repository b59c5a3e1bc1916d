#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "cli/engine_flags.hpp"
#include "gpu/batch_replay.hpp"
#include "models/engine_profile.hpp"
#include "models/version.hpp"

#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

/// "cuda: NVIDIA H100 80GB HBM3, ..." or why there is none.
std::string backends() {
    const DeviceAnswer device = ask_device();
    return device.answers ? "cpu, cuda (" + device.words + ")" : "cpu (no cuda: " + device.words + ")";
}

int run_version(const std::string& output) {
    if (output == "json") {
        const nlohmann::ordered_json out{
            {"version", version}, {"backend", ask_device().answers ? "cuda" : "cpu"}, {"newest_vllm", to_string(newest_engine)}};
        return print_data(out.dump(2) + "\n") ? answered : run_broke;
    }
    return print_data(fmt::format("windtunnel {}\nbackend      {}\nnewest vLLM  {}\n", version,
                                  backends(), to_string(newest_engine)))
               ? answered
               : run_broke;
}

}  // namespace

void add_version_command(CLI::App& app, Invocation& invocation) {
    auto output = std::make_shared<std::string>("table");
    CLI::App* command = app.add_subcommand("version", "What this program is and what it runs on");
    add_output_flag(*command, *output);
    command->callback(
        [output, &invocation] { invocation.action = [output] { return run_version(*output); }; });
}

}  // namespace windtunnel
