#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "reports/atomic_file.hpp"
#include "reports/part_file.hpp"
#include "reports/sweep_parts.hpp"

#include <memory>

namespace windtunnel {

namespace {

struct MergeFlags {
    std::vector<std::string> parts;
    std::string out;
};

/// The results of a run out of its parts.
Result<std::string> merged_run(const std::vector<std::string>& files) {
    Problems problems;
    std::vector<Part> parts;
    for (const std::string& file : files) {
        Result<Part> part = read_part(file);
        if (part)
            parts.push_back(std::move(*part));
        else
            for (Problem& p : part.take_problems()) problems.push_back(std::move(p));
    }
    if (!problems.empty()) return problems;
    Result<RunResults> merged = merge_parts(std::move(parts));
    if (!merged) return merged.take_problems();
    return results_json(*merged);
}

int merge(const MergeFlags& flags) {
    Problems problems;
    if (!flags.out.empty()) problems = problems_of_writing(flags.out);
    const Result<std::string> text =
        is_sweep_file(flags.parts.front()) ? merge_sweep_parts(flags.parts) : merged_run(flags.parts);
    if (!text) problems.insert(problems.end(), text.problems().begin(), text.problems().end());
    if (problems.empty() && flags.out.empty()) return print_data(*text) ? answered : run_broke;
    if (problems.empty()) problems = write_file(flags.out, *text);
    print_errors(problems);
    return problems.empty() ? answered : bad_input;
}

}  // namespace

void add_merge_command(CLI::App& app, Invocation& invocation) {
    auto flags = std::make_shared<MergeFlags>();
    CLI::App* command = app.add_subcommand("merge", "Puts the parts of a run or a sweep together (--shard)");
    command->add_option("part", flags->parts, "files that `run` or `sweep` with --shard i/N --out FILE wrote: all N, in any order")
        ->required();
    command->add_option("--out", flags->out, "writes the results to this file; default: standard output");
    command->footer(
        "\nGives the bytes that the same command without --shard writes to its --out. A part that is missing, there "
        "twice,\n"
        "not complete or of another scenario, seed, number of trials or version of this program is an error.\n\n"
        "Exit codes: 0 answered; 2 usage or input error.\n\n"
        "Example:\n"
        "  for i in 0 1 2; do windtunnel run scenario.yaml --trials 300 --shard $i/3 --out part-$i.jsonl; done\n"
        "  windtunnel merge part-*.jsonl --out results.json\n");
    command->callback([flags, &invocation] { invocation.action = [flags] { return merge(*flags); }; });
}

}  // namespace windtunnel
