#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "cli/engine_flags.hpp"
#include "models/step_profile.hpp"
#include "reports/atomic_file.hpp"
#include "reports/bench_prediction.hpp"
#include "reports/observed_trial.hpp"
#include "scenarios/traces/trace_reader.hpp"

#include <fmt/format.h>
#include <cmath>
#include <fstream>
#include <iterator>
#include <memory>

namespace windtunnel {

namespace {

struct BenchFlags {
    EngineFlags engine;
    BenchSpec spec;
    double request_rate = INFINITY;
    bool ignore_eos = true;
    double front_end_ms = to_milliseconds(ClientDelays().front_end), turnaround_ms = to_milliseconds(ClientDelays().turnaround);
    std::optional<bool> asynchronous_scheduling;
    std::string trace, requests, profile, output = "table", server = "fast";
};

Problems problems_of(const BenchFlags& f) {
    Problems problems;
    const auto demand = [&](bool holds, const char* flag, std::string message) {
        if (!holds) problems.push_back({{}, flag, std::move(message)});
    };
    demand(f.front_end_ms >= 0 && f.front_end_ms <= 1e6, "--front-end-ms",
           fmt::format("found {}, allowed: 0 to 1000000", f.front_end_ms));
    demand(f.turnaround_ms >= 0 && f.turnaround_ms <= 1e6, "--client-turnaround-ms",
           fmt::format("found {}, allowed: 0 to 1000000", f.turnaround_ms));
    if (!f.requests.empty())
        for (Problem& p : problems_of_writing(f.requests)) problems.push_back(std::move(p));
    return problems;
}

/// What is sent, at the client's sending times.
Result<Trace> workload_of(const BenchFlags& f) {
    BenchSpec spec = f.spec;
    if (!std::isinf(f.request_rate) || f.request_rate < 0) spec.request_rate = f.request_rate;
    if (std::isinf(spec.burstiness) && spec.burstiness > 0) spec.burstiness = 1e6;
    if (f.trace.empty()) return bench_trace(spec);
    TraceReadOptions options;
    options.arrival_rate_rps = spec.request_rate;
    options.seed = spec.seed;
    return read_trace(f.trace, options);
}

/// The shipped coefficients, or those of --profile.
Result<StepTimeCoefficients> coefficients_for(const BenchFlags& f, const Gpu& gpu) {
    if (f.profile.empty()) return step_time_coefficients(gpu);
    Result<StepProfile> profile = read_step_profile_file(f.profile);
    if (!profile) return profile.take_problems();
    return coefficients_of(*profile, gpu, f.profile);
}

BenchSubject subject_of(const BenchFlags& f, const KvCapacity& c, const StepTimeCoefficients& coefficients) {
    BenchSubject s{c.shape.id,
                   c.gpu.name,
                   to_string(c.profile.version),
                   c.tensor_parallel,
                   c.pipeline_parallel,
                   f.engine.request.data_parallel,
                   coefficients.source,
                   {},
                   {},
                   c.notes};
    if (f.spec.max_concurrency > 0) s.max_concurrency = f.spec.max_concurrency;
    if (f.trace.empty() && !std::isinf(f.request_rate)) s.request_rate = f.request_rate;
    const KvRequest& r = f.engine.request;
    if (c.expert_groups > 1)
        s.notes.push_back(fmt::format("the {} engines share one set of experts and step together: each step counts all "
                                      "engines' tokens at the experts, as if their batches were alike",
                                      c.expert_groups));
    else if (r.expert_parallel > 1)
        s.notes.push_back(
            "expert parallelism within the tensor-parallel group: the same memory and bandwidth per GPU as "
            "without");
    return s;
}

int run_bench(const BenchFlags& flags) {
    Result<KvRequest> request = flags.engine.read();
    if (!request) return refuse_flags(request.take_problems());
    Problems problems = problems_of(flags);
    Result<KvCapacity> capacity = flags.engine.capacity(*request);
    if (!capacity)
        for (Problem& p : capacity.take_problems()) problems.push_back(std::move(p));
    Result<Trace> trace = workload_of(flags);
    if (!trace)
        for (Problem& p : trace.take_problems()) problems.push_back(std::move(p));
    if (!problems.empty()) return refuse_flags(std::move(problems));
    if (!capacity->fits) {
        print_error(capacity->refusal);
        return negative_verdict;
    }
    for (const Problem& note : trace->notes) print_line("note: " + to_string(note));

    StepTimeOptions options;
    options.asynchronous_scheduling = flags.asynchronous_scheduling;
    options.enforce_eager = request->enforce_eager;
    options.max_cudagraph_capture_size = request->max_cudagraph_capture_size;
    Result<StepTimeCoefficients> coefficients = coefficients_for(flags, capacity->gpu);
    if (!coefficients) return refuse_flags(coefficients.take_problems());
    options.coefficients = *coefficients;
    BenchLoad load;
    load.engines = static_cast<std::uint32_t>(request->data_parallel);
    load.max_concurrency = flags.spec.max_concurrency;
    load.delays = {from_seconds(flags.front_end_ms / 1e3), from_seconds(flags.turnaround_ms / 1e3)};
    load.seed = flags.spec.seed;
    load.server = flags.server == "stepwise" ? ServerKind::stepwise : ServerKind::fast;
    Result<BenchPrediction> prediction = predict_bench(*capacity, options, std::move(*trace), load);
    if (!prediction) return refuse_flags(prediction.take_problems());

    if (!flags.requests.empty())
        if (Problems failed = write_file(flags.requests, requests_csv(prediction->requests)); !failed.empty())
            return refuse_flags(std::move(failed));
    const BenchReport& report = prediction->report;
    if (report.failed > 0)
        print_line(
            fmt::format("warning: {} of {} requests did not complete (rejected: prompt and output are more "
                        "than --max-model-len {})",
                        report.failed, prediction->requests.size(), capacity->max_model_len));
    const BenchSubject subject = subject_of(flags, *capacity, *options.coefficients);
    return print_data(flags.output == "json" ? bench_json(report, subject) : bench_table(report, subject))
               ? answered
               : run_broke;
}

}  // namespace

void add_bench_command(CLI::App& app, Invocation& invocation) {
    auto flags = std::make_shared<BenchFlags>();
    CLI::App* command =
        app.add_subcommand("bench", "Predicts what `vllm bench serve` would measure against one server");
    flags->engine.add_to(*command, true);
    BenchSpec& spec = flags->spec;
    constexpr const char* what = "Model and GPU";
    command->add_option("--dp", flags->engine.request.data_parallel, "copies of the engine behind one address")->group(what);
    command
        ->add_option("--ep", flags->engine.request.expert_parallel,
                     "GPUs that share the experts: tp, or tp * dp (experts spread over the engines)")->group(what);
    constexpr const char* load = "Load";
    command->add_option("--input-len,--random-input-len", spec.input_len, "prompt tokens")
        ->capture_default_str()
        ->group(load);
    command
        ->add_option("--output-len,--random-output-len", spec.output_len,
                     "output tokens; --ignore-eos is implied")
        ->capture_default_str()
        ->group(load);
    command
        ->add_option("--random-range-ratio", spec.random_range_ratio,
                     "lengths are uniform on [ratio * len, len]")
        ->capture_default_str()
        ->group(load);
    command->add_option("--num-prompts", spec.num_prompts, "requests")->capture_default_str()->group(load);
    command
        ->add_option("--max-concurrency", spec.max_concurrency,
                     "requests in flight at most (closed loop); 0 = no limit")
        ->group(load);
    command
        ->add_option("--request-rate", flags->request_rate, "requests per second; default inf: all at once")
        ->group(load);
    command->add_option("--burstiness", spec.burstiness, "shape of the gamma-distributed gaps; 1 = Poisson")
        ->capture_default_str()
        ->group(load);
    command->add_option("-t,--trace", flags->trace, "arrivals and lengths from a trace")->group(load);
    command->add_option("--seed", spec.seed, "of lengths and gaps")->capture_default_str()->group(load);
    command->add_flag("--ignore-eos", flags->ignore_eos, "implied")->group(load);
    constexpr const char* more = "More";
    command->add_option("--profile", flags->profile, "step times of a profile (`windtunnel calibrate --out`) in place of the shipped ones")
        ->group(more);
    command
        ->add_option("--async-scheduling", flags->asynchronous_scheduling,
                     "true or false, in place of the release's default")
        ->group(more);
    command
        ->add_option("--front-end-ms", flags->front_end_ms,
                     "HTTP and tokenising, per request; 0 = the bare engine")
        ->capture_default_str()
        ->group(more);
    command
        ->add_option("--client-turnaround-ms", flags->turnaround_ms,
                     "closed loop: from a request's end to the next one's sending")
        ->capture_default_str()
        ->group(more);
    command->add_option("--server", flags->server, "fast, or stepwise (the step-by-step reference)")
        ->check(CLI::IsMember({"fast", "stepwise"}))
        ->group(more);
    add_output_flag(*command, flags->output);
    command->add_option("--requests", flags->requests, "writes one CSV row per request to this file");
    command->footer(
        "\nStatistics are vLLM's: TTFT, TPOT and E2EL exactly over the completed requests, percentiles "
        "linear between ranks;\n"
        "ITL over all gaps (mean exact, the rest to 0.4%). Exit codes: 0 answered; 1 the model does not fit; "
        "2 usage or input error.\n\n"
        "Examples:\n"
        "  windtunnel bench --model Qwen/Qwen3-32B --gpu h100-sxm-80gb --tp 2 --max-concurrency 64 "
        "--num-prompts 640\n"
        "  windtunnel bench --model Llama-3.1-8B-Instruct --gpu l4-24gb --max-model-len 8192 --request-rate "
        "2 -o json\n");
    command->callback([flags, &invocation] { invocation.action = [flags] { return run_bench(*flags); }; });
}

}  // namespace windtunnel
