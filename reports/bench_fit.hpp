#pragma once
#include "models/step_profile.hpp"
#include "scenarios/traces/bench_results.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// A benchmark result and the server it was measured on.
struct BenchRun {
    BenchResult result;
    KvCapacity capacity;
    StepTimeOptions options;
    Trace trace;  ///< what was sent
    int data_parallel = 1;
};

/// What the client's stopwatch says; empty = not measured.
struct BenchMeans {
    std::optional<double> ttft_ms, tpot_ms, output_throughput;
};

/// What the simulator says `run` would measure with the shipped coefficients times `factors`.
[[nodiscard]] BenchMeans predict(const BenchRun& run, const CostFactors& factors, double front_end_ms);

/// One thing that was fitted: how many times the shipped value, and how sure that is.
struct FittedFactor {
    std::string name;
    double factor = 1;
    double sigma = 0;   ///< standard deviation of its logarithm, after these results
    double before = 0;  ///< ... before them
    bool told = false;  ///< whether the results say something about it: sigma well below `before`
    double share = 0;   ///< by how many percent the runs' TPOT changes when it grows by 1 %, on average
};
struct FittedRun {
    std::string words;
    BenchMeans measured, shipped, fitted;
    std::optional<BenchMeans> held_out;  ///< predicted by a fit to the other results; three and more results
};
struct BenchFit {
    CostFactors factors = as_shipped;
    double front_end_ms = 10;
    std::vector<FittedFactor> parts;
    std::vector<FittedRun> runs;
    std::uint64_t simulations = 0;
};
/// Mean of |predicted / measured - 1| over runs, by which of BenchMeans and which prediction; empty for none.
[[nodiscard]] std::optional<double> mean_error(const BenchFit& fit, std::optional<double> BenchMeans::*which,
                                               BenchMeans FittedRun::*predicted);
[[nodiscard]] std::optional<double> mean_held_out_error(const BenchFit& fit,
                                                        std::optional<double> BenchMeans::*which);

struct BenchFitPlan {
    int threads = 1;
    std::function<void(std::uint64_t done)> progress;  ///< simulations so far; called from any thread
};

/// Fits the step-time model to benchmark results: the most probable factors, given that the shipped
/// coefficients are usually right to some tens of percent (each factor is lognormal around 1), and that a
/// mean TPOT is reproduced to about 3 %, a mean TTFT to about 10 % (30 % where a closed loop of equal lengths
/// may run in lockstep), both robustly. Every prediction is a run of the simulator over the requests of the
/// result, so queueing, chunking and preemption are in it. Gauss-Newton steps with halving.
[[nodiscard]] BenchFit fit_to_benchmarks(const std::vector<BenchRun>& runs, const BenchFitPlan& plan);

/// The table for people, and the residuals of the profile as JSON.
[[nodiscard]] std::string bench_fit_table(const BenchFit& fit, const StepProfile& profile);
[[nodiscard]] std::string bench_fit_residuals(const BenchFit& fit);

}  // namespace windtunnel
