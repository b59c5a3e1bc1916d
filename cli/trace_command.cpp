#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "cli/engine_flags.hpp"
#include "models/nearest_name.hpp"
#include "scenarios/traces/trace_commands.hpp"
#include "scenarios/traces/workload_presets.hpp"

#include <map>
#include <memory>

namespace windtunnel {

namespace {

/// Turns the name of an enumerator into its number, for CLI11; other names are refused with the allowed ones.
template <class Enum>
CLI::Validator choice(const std::map<std::string, Enum>& names) {
    return CLI::Validator(
        [names](std::string& value) {
            const auto found = names.find(value);
            if (found != names.end()) {
                value = std::to_string(static_cast<int>(found->second));
                return std::string();
            }
            std::vector<std::string> allowed;
            for (const auto& [name, unused] : names) allowed.push_back(name);
            return "found '" + value + "', allowed: " + spoken_list(allowed);
        },
        "");
}

struct TraceFlags {
    std::string in, out, output = "table";
    TraceReadOptions read;
    TraceEdit edit;
    std::optional<double> from_s, to_s;
    SyntheticSpec spec;
    std::optional<std::int64_t> prompt_tokens, output_tokens;
    std::uint64_t seed = 1;
    std::uint32_t trial = 0;
};

/// Data to standard output, or every problem.
int answer(Result<std::string> text, bool to_stdout) {
    if (!text) {
        print_errors(text.take_problems());
        return bad_input;
    }
    if (to_stdout) return print_data(*text) ? answered : run_broke;
    text->erase(text->find_last_not_of('\n') + 1);
    print_line(*text);
    return answered;
}

int run_stats(const TraceFlags& f) {
    return answer(run_trace_stats(f.in, f.read, f.output == "json" ? TraceOutput::json : TraceOutput::table),
                  true);
}

/// A time in seconds; one that no clock reaches is a problem.
bool read_time(const std::optional<double>& from, const char* flag, std::optional<Tick>& to,
               Problems& problems) {
    if (!from) return true;
    if (!(*from >= 0 && *from < 4e7)) {
        problems.push_back({{}, flag, "allowed: 0 to 40000000 seconds"});
        return false;
    }
    to = from_seconds(*from);
    return true;
}

int run_convert(const TraceFlags& f) {
    TraceEdit edit = f.edit;
    edit.seed = f.read.seed;
    Problems problems;
    read_time(f.from_s, "--from", edit.from, problems);
    read_time(f.to_s, "--to", edit.to, problems);
    if (!problems.empty()) return answer(std::move(problems), false);
    return answer(run_trace_convert(f.in, f.out, f.read, edit), false);
}

int run_synth(const TraceFlags& f) {
    SyntheticSpec spec = f.spec;
    const auto fixed = [](std::int64_t tokens) {
        LengthSpec out;
        out.kind = LengthKind::fixed;
        out.tokens = tokens;
        return out;
    };
    if (f.prompt_tokens) spec.prompt = fixed(*f.prompt_tokens);
    if (f.output_tokens) spec.output = fixed(*f.output_tokens);
    return answer(run_trace_synth(spec, f.seed, f.trial, f.out), false);
}

void add_read_flags(CLI::App& command, TraceFlags& f) {
    command.add_option("--rate", f.read.arrival_rate_rps,
                       "for files without arrivals: Poisson arrivals at this rate per second");
    command.add_option("--seed", f.read.seed, "of what is drawn")->capture_default_str();
    command.add_flag("--keep-failed", f.read.keep_failed,
                     "keep failed requests, as requests of one output token");
    command.add_option("--tokens-per-hash", f.read.tokens_per_hash,
                       "prompt tokens that a prefix hash stands for");
}

void add_stats(CLI::App& trace, const std::shared_ptr<TraceFlags>& flags, Invocation& invocation) {
    CLI::App* command =
        trace.add_subcommand("stats", "What is in a trace: requests, tokens, rates, distributions");
    command->add_option("file", flags->in, "trace, of any format, also .gz or .zst")->required();
    add_read_flags(*command, *flags);
    add_output_flag(*command, flags->output);
    command->callback([flags, &invocation] { invocation.action = [flags] { return run_stats(*flags); }; });
}

void add_convert(CLI::App& trace, const std::shared_ptr<TraceFlags>& flags, Invocation& invocation) {
    CLI::App* command =
        trace.add_subcommand("convert", "Writes a trace as plain CSV; clips, thins and scales it");
    command->add_option("in", flags->in, "trace to read")->required();
    command->add_option("out", flags->out, "CSV to write; .gz and .zst compress")->required();
    add_read_flags(*command, *flags);
    command->add_option("--from", flags->from_s, "keep arrivals from this second on; it becomes t = 0");
    command->add_option("--to", flags->to_s, "keep arrivals before this second");
    command->add_option("--keep", flags->edit.keep, "keep each request with this probability")
        ->capture_default_str();
    command->add_option("--rate-scale", flags->edit.rate_scale, "2 = twice the rate, in half the time")
        ->capture_default_str();
    command->callback([flags, &invocation] { invocation.action = [flags] { return run_convert(*flags); }; });
}

void add_synth(CLI::App& trace, const std::shared_ptr<TraceFlags>& flags, Invocation& invocation) {
    SyntheticSpec& s = flags->spec;
    CLI::App* command = trace.add_subcommand("synth", "Draws a workload and writes it as plain CSV");
    command->add_option("out", flags->out, "CSV to write; .gz and .zst compress")->required();
    command->add_option("--preset", s.preset,
                        "lengths and burstiness of a known workload: " + preset_names());
    command->add_option("--rate", s.rate_rps, "mean requests per second");
    command->add_option("--duration", s.duration_s, "seconds");
    command->add_option("--requests", s.requests, "how many");
    const std::map<std::string, ArrivalProcess> processes{{"poisson", ArrivalProcess::poisson},
                                                          {"gamma", ArrivalProcess::gamma},
                                                          {"weibull", ArrivalProcess::weibull},
                                                          {"constant", ArrivalProcess::constant}};
    command->add_option("--arrival", s.process, "poisson, gamma, weibull or constant")
        ->transform(choice(processes))
        ->type_name("KIND");
    command->add_option("--cv", s.cv, "coefficient of variation of the gaps (gamma, weibull)");
    const std::map<std::string, RateProfile> profiles{
        {"flat", RateProfile::flat}, {"daily", RateProfile::daily}, {"weekly", RateProfile::weekly}};
    command->add_option("--profile", s.profile, "flat, daily or weekly")
        ->transform(choice(profiles))
        ->type_name("KIND");
    command->add_option("--prompt-tokens", flags->prompt_tokens,
                        "every prompt's length, in place of the preset's");
    command->add_option("--output-tokens", flags->output_tokens,
                        "every output's length, in place of the preset's");
    command->add_option("--seed", flags->seed, "of what is drawn")->capture_default_str();
    command->add_option("--trial", flags->trial, "which of the seed's workloads")->capture_default_str();
    command->callback([flags, &invocation] { invocation.action = [flags] { return run_synth(*flags); }; });
}

}  // namespace

void add_trace_command(CLI::App& app, Invocation& invocation) {
    CLI::App* command = app.add_subcommand("trace", "Understands, converts and makes request traces");
    command->footer(
        "\nFormats are recognised by content: Azure 2023 and 2024 CSV, Mooncake JSON lines, BurstGPT CSV, "
        "ServeGen clients, vLLM bench\n"
        "results, and plain CSV "
        "arrival_s,prompt_tokens,output_tokens[,model][,tenant][,priority][,prefix_hashes].\n\n"
        "Examples:\n"
        "  windtunnel trace stats AzureLLMInferenceTrace_conv.csv\n"
        "  windtunnel trace convert burstgpt.csv.zst hour.csv.gz --from 3600 --to 7200\n"
        "  windtunnel trace synth day.csv --preset azure-conv-2023 --rate 5 --duration 86400 --profile "
        "daily\n");
    auto flags = std::make_shared<TraceFlags>();
    add_stats(*command, flags, invocation);
    add_convert(*command, flags, invocation);
    add_synth(*command, flags, invocation);
    command->callback([command, &invocation] {
        if (command->get_subcommands().empty())
            invocation.action = [command] {
                print_line(command->help());
                return static_cast<int>(bad_input);
            };
    });
}

}  // namespace windtunnel
