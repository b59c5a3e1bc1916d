#include "cli/calibrate_device.hpp"
#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "cli/engine_flags.hpp"
#include "cli/progress.hpp"
#include "reports/atomic_file.hpp"
#include "reports/bench_fit.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <memory>
#include <set>
#include <thread>
#include <tuple>

namespace windtunnel {

namespace {

struct CalibrateFlags {
    EngineFlags engine;
    std::vector<std::string> from;
    std::string out, measurements, compare, output = "table";
    double range_ratio = 1, limit_s = 600;
    int data_parallel = 1;
    std::optional<bool> asynchronous_scheduling;
    OfflineLengths offline;
    bool quiet = false;
};

/// The server that a result was measured on: the flags', with what the result itself says filled in.
Result<BenchRun> run_of(const CalibrateFlags& flags, const KvRequest& base, BenchResult result) {
    BenchRun run;
    KvRequest request = base;
    if (request.model.empty()) request.model = result.model_id;
    if (request.model.empty())
        return Problem{{result.file, static_cast<std::int32_t>(result.line), 0},
                       "model_id",
                       "found nothing, allowed: --model says which model it was"};
    if (result.tensor_parallel) request.tensor_parallel = *result.tensor_parallel;
    const auto of_file = [&](Problems problems) {
        for (Problem& p : problems)
            if (p.where.file.empty()) p.message += fmt::format(" (for {})", result.file);
        return problems;
    };
    Result<KvCapacity> capacity = kv_capacity(request);
    if (!capacity) return of_file(capacity.take_problems());
    if (!capacity->fits)
        return Problem{{result.file}, "", "such a server could not have been measured: " + capacity->refusal};
    Result<Trace> trace = trace_of(result, flags.range_ratio);
    if (!trace) return of_file(trace.take_problems());
    for (const Request& r : trace->requests)
        if (static_cast<std::int64_t>(r.prompt_tokens) + r.output_tokens > capacity->max_model_len)
            return Problem{{result.file, static_cast<std::int32_t>(result.line), 0},
                           "",
                           fmt::format("a request has {} prompt and {} output tokens, allowed on this "
                                       "server: --max-model-len {}",
                                       r.prompt_tokens, r.output_tokens, capacity->max_model_len)};
    run.options.asynchronous_scheduling = flags.asynchronous_scheduling;
    run.options.enforce_eager = request.enforce_eager;
    run.options.max_cudagraph_capture_size = request.max_cudagraph_capture_size;
    run.data_parallel = flags.data_parallel;
    run.result = std::move(result);
    run.capacity = std::move(*capacity);
    run.trace = std::move(*trace);
    return run;
}

Result<std::vector<BenchRun>> read_runs(const CalibrateFlags& flags) {
    Result<KvRequest> request = flags.engine.read();
    if (!request) return request.take_problems();
    Problems problems;
    const auto keep = [&](Problems more) {
        for (Problem& p : more) problems.push_back(std::move(p));
    };
    BenchResults all;
    for (const std::string& path : flags.from) {
        Result<BenchResults> results = read_bench_results(path, flags.offline);
        if (!results) {
            keep(results.take_problems());
            continue;
        }
        for (BenchResult& result : results->results) all.results.push_back(std::move(result));
        for (std::string& note : results->notes) all.notes.push_back(std::move(note));
    }
    drop_repeated(all);
    std::vector<BenchRun> runs;
    for (BenchResult& result : all.results) {
        Result<BenchRun> run = run_of(flags, *request, std::move(result));
        if (run)
            runs.push_back(std::move(*run));
        else
            keep(run.take_problems());
    }
    if (!problems.empty()) return problems;
    if (!flags.quiet)
        for (const std::string& note : all.notes) print_line("note: " + note);
    return runs;
}

/// "20250601-120102" as vLLM writes it is 2025-06-01.
std::string newest_date(const std::vector<BenchRun>& runs) {
    std::string newest;
    for (const BenchRun& run : runs) newest = std::max(newest, run.result.date.substr(0, 8));
    if (newest.size() != 8) return newest;
    return newest.substr(0, 4) + "-" + newest.substr(4, 2) + "-" + newest.substr(6, 2);
}

StepProfile profile_of(const BenchFit& fit, const std::vector<BenchRun>& runs) {
    StepProfile p;
    const KvCapacity& c = runs.front().capacity;
    std::set<std::string> servers;
    for (const BenchRun& run : runs)
        servers.insert(fmt::format("{}, tp {}", run.capacity.shape.id, run.capacity.tensor_parallel));
    p.gpu = c.gpu.name;
    p.date = newest_date(runs);
    p.source =
        fmt::format("calibrated to {} result{} of vllm bench", runs.size(), runs.size() == 1 ? "" : "s");
    for (const std::string& server : servers) p.source += (server == *servers.begin() ? ": " : "; ") + server;
    p.source += ", vLLM " + to_string(c.profile.version);
    p.front_end_ms = fit.front_end_ms;
    p.coefficients = step_time_coefficients_json(c.gpu, fit.factors, p.source);
    p.residuals = bench_fit_residuals(fit);
    return p;
}

int calibrate_from_results(const CalibrateFlags& flags) {
    if (flags.engine.request.gpu.empty()) {
        print_error(
            "--gpu: found nothing, allowed: the GPU that the results were measured on (they do not say it)");
        return bad_input;
    }
    if (!(flags.range_ratio >= 0 && flags.range_ratio <= 1))
        return refuse_flags(
            {{{}, "--random-range-ratio", fmt::format("found {}, allowed: 0 to 1", flags.range_ratio)}});
    if (flags.data_parallel < 1 || flags.data_parallel > 1024)
        return refuse_flags({{{}, "--dp", fmt::format("found {}, allowed: 1 to 1024", flags.data_parallel)}});
    if (!flags.out.empty())
        if (Problems problems = problems_of_writing(flags.out); !problems.empty())
            return refuse_flags(std::move(problems));
    Result<std::vector<BenchRun>> runs = read_runs(flags);
    if (!runs) return refuse_flags(runs.take_problems());
    BenchFitPlan plan;
    plan.threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 64u));
    // Most fits end after three or four steps; the bar may stand still at its end.
    const std::uint64_t steps =
        runs->size() * (4 * 13 + (runs->size() >= 3 ? (runs->size() - 1) * 2 * 13 : 0));
    BenchFit fit;
    {
        Progress progress("simulations", steps, flags.quiet);
        plan.progress = [&](std::uint64_t done) { progress.update(std::min(done, steps)); };
        fit = fit_to_benchmarks(*runs, plan);
        progress.clear();
    }
    const StepProfile profile = profile_of(fit, *runs);
    if (!flags.out.empty()) {
        if (Problems failed = write_file(flags.out, step_profile_json(profile)); !failed.empty())
            return refuse_flags(std::move(failed));
        if (!flags.quiet) print_line("profile: " + flags.out);
    }
    return print_data(flags.output == "json" ? step_profile_json(profile) : bench_fit_table(fit, profile))
               ? answered
               : run_broke;
}

int run_calibrate(const CalibrateFlags& flags) {
    if (!flags.from.empty()) {
        for (const auto& [name, value] :
             {std::pair<const char*, const std::string&>{"--compare", flags.compare},
              {"--measurements", flags.measurements}})
            if (!value.empty())
                return refuse_flags({{{}, name, "found it with --from, allowed: where a GPU is measured"}});
        return calibrate_from_results(flags);
    }
    if (!(flags.limit_s >= 1 && flags.limit_s <= 3600))
        return refuse(
            {{{}, "--time-limit", fmt::format("found {}, allowed: 1 to 3600 seconds", flags.limit_s)}});
    Result<KvRequest> request = flags.engine.read();
    if (!request) return refuse_flags(request.take_problems());
    return calibrate_device({*request, flags.measurements, flags.compare, flags.out, flags.limit_s,
                             flags.output == "json", flags.quiet});
}

}  // namespace

void add_calibrate_command(CLI::App& app, Invocation& invocation) {
    auto flags = std::make_shared<CalibrateFlags>();
    CLI::App* command = app.add_subcommand(
        "calibrate", "Fits the step-time model to the GPU at hand, or to results of vllm bench");
    constexpr const char* what = "Measurements";
    command
        ->add_option(
            "--from", flags->from,
            "results of `vllm bench serve --save-result` (also --save-detailed, --append-result), of "
            "`vllm bench throughput` and `latency` (--output-json), or folders of them")
        ->take_all()
        ->group(what);
    command
        ->add_option(
            "--random-range-ratio", flags->range_ratio,
            "lengths in the results were uniform on [ratio * L, L]; files with detail say it themselves")
        ->capture_default_str()
        ->group(what);
    for (const auto& [name, into, words] :
         {std::tuple{
              "--input-len", &flags->offline.input_len,
              "prompt tokens of results of `vllm bench throughput` and `latency`, which do not say them"},
          {"--output-len", &flags->offline.output_len, "... output tokens"},
          {"--batch-size", &flags->offline.batch_size, "... prompts, of `latency`"}})
        command->add_option(name, *into, words)->check(CLI::Range(1, 10000000))->group(what);
    command->add_option("--dp", flags->data_parallel, "copies of the engine behind one address")->group(what);
    command
        ->add_option("--async-scheduling", flags->asynchronous_scheduling,
                     "true or false, in place of the release's default")
        ->group(what);
    constexpr const char* gpu = "The GPU at hand (without --from)";
    command
        ->add_option("--compare", flags->compare,
                     "a profile to put beside what is measured, in place of the shipped one")
        ->group(gpu);
    command
        ->add_option("--measurements", flags->measurements,
                     "keeps measurements in this file, and goes on from it after an interruption")
        ->group(gpu);
    command
        ->add_option("--time-limit", flags->limit_s,
                     "seconds that measuring may take; what tells least is left out first")
        ->capture_default_str()
        ->group(gpu);
    flags->engine.add_to(*command);
    // The results name their model, and a GPU at hand names itself.
    command->get_option("--model")->required(false);
    command->get_option("--gpu")->required(false);
    command->add_option("--out", flags->out, "writes the profile to this file; bench --profile takes it");
    command->add_flag("-q,--quiet", flags->quiet, "no progress");
    add_output_flag(*command, flags->output);
    command->footer(
        "\nSeveral results at once, of several loads, tell apart what one cannot: a concurrency of 1 shows "
        "weights and fixed times, a\n"
        "high one the KV cache and matrix products, long prompts the prefill. A part that the results do not "
        "tell stays as shipped.\n"
        "Exit codes: 0 answered; 2 usage or input error.\n\n"
        "Examples:\n"
        "  windtunnel calibrate --out this-gpu.json\n"
        "  windtunnel calibrate --from c1.json c16.json c64.json --gpu h100-sxm-80gb --tp 2 --out h100.json\n"
        "  windtunnel bench --model Qwen/Qwen3-32B --gpu h100-sxm-80gb --tp 2 --max-concurrency 32 --profile "
        "h100.json\n");
    command->callback(
        [flags, &invocation] { invocation.action = [flags] { return run_calibrate(*flags); }; });
}

}  // namespace windtunnel
