#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "cli/engine_flags.hpp"

#include <memory>

namespace windtunnel {

namespace {

struct KvFlags {
    EngineFlags engine;
    std::string output = "table";
};

int run_kv(const KvFlags& flags) {
    Result<KvRequest> request = flags.engine.read();
    Result<KvCapacity> capacity =
        request ? flags.engine.capacity(*request) : Result<KvCapacity>(request.take_problems());
    if (!capacity) {
        print_errors(as_flags(capacity.take_problems()));
        return bad_input;
    }
    const bool json = flags.output == "json";
    if (!print_data(json ? kv_capacity_json(*capacity) : kv_capacity_table(*capacity))) return run_broke;
    if (!capacity->fits && json) print_error(capacity->refusal);
    return capacity->fits ? answered : negative_verdict;
}

}  // namespace

void add_kv_command(CLI::App& app, Invocation& invocation) {
    auto flags = std::make_shared<KvFlags>();
    CLI::App* command =
        app.add_subcommand("kv", "How much KV cache a vLLM server has, and how many requests fit");
    flags->engine.add_to(*command, true);
    add_output_flag(*command, flags->output);
    command->footer(
        "\nExit codes: 0 it fits; 1 it does not (the arithmetic is printed); 2 a name or value that does not "
        "exist.\n\n"
        "Examples:\n"
        "  windtunnel kv --model Llama-3.1-8B-Instruct --gpu l4-24gb\n"
        "  windtunnel kv --model meta-llama/Llama-3.3-70B-Instruct --gpu h100-sxm-80gb --tp 4 --dtype fp8 -o "
        "json\n"
        "  windtunnel kv --model ./config.json --gpu a10g-24gb --max-model-len 8192\n");
    command->callback([flags, &invocation] { invocation.action = [flags] { return run_kv(*flags); }; });
}

}  // namespace windtunnel
