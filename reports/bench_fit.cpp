#include "reports/bench_fit.hpp"

#include "reports/bench_report.hpp"
#include "reports/observed_trial.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

namespace windtunnel {
namespace {

/// The factors and the client's own time, all as logarithms around what is shipped.
constexpr int unknowns = cost_groups + 1;
using Theta = Eigen::Matrix<double, unknowns, 1>;

/// How far shipped coefficients are usually off, as standard deviations of logarithms: bandwidths are known
/// best (operator tables), times of the host least (other CPUs).
constexpr double prior_sigma[unknowns] = {0.12, 0.2, 0.2, 0.3, 0.4, 0.3, 0.4, 0.4, 0.5};
constexpr double shipped_front_end_ms = 10;
/// How well one run is reproduced when all coefficients are right: what a mean over hundreds of requests
/// scatters by, and what the model leaves out. A closed loop of equal lengths runs in lockstep or not by
/// accident, and its TTFT with it.
constexpr double tpot_sigma = 0.03, ttft_sigma = 0.1, lockstep_ttft_sigma = 0.3;
/// Sigmas from which on an error counts less than its square: a TPOT linearly (Huber, 1964), a TTFT as its
/// logarithm (Cauchy), since one that is far off says that the load was another, not that the GPU is.
constexpr double robust_from = 2;
constexpr double step_of_slope = 0.05;

CostFactors factors_of(const Theta& theta) {
    CostFactors out{};
    for (int i = 0; i < cost_groups; ++i) out[static_cast<std::size_t>(i)] = std::exp(theta[i]);
    return out;
}
double front_end_of(const Theta& theta) { return shipped_front_end_ms * std::exp(theta[cost_groups]); }

/// Runs the simulator for many (theta, run) at once.
class Simulations {
public:
    Simulations(const std::vector<BenchRun>& runs, const BenchFitPlan& plan) : m_runs(runs), m_plan(plan) {}

    /// [theta][run], runs as chosen.
    std::vector<std::vector<BenchMeans>> operator()(const std::vector<Theta>& thetas,
                                                    const std::vector<std::size_t>& which) {
        std::vector<std::vector<BenchMeans>> out(thetas.size(), std::vector<BenchMeans>(which.size()));
        std::atomic<std::size_t> next{0};
        const std::size_t jobs = thetas.size() * which.size();
        const auto work = [&] {
            for (std::size_t job = next++; job < jobs; job = next++) {
                const Theta& theta = thetas[job / which.size()];
                out[job / which.size()][job % which.size()] =
                    predict(m_runs[which[job % which.size()]], factors_of(theta), front_end_of(theta));
                const std::uint64_t done = ++m_done;
                if (m_plan.progress) m_plan.progress(done);
            }
        };
        std::vector<std::thread> helpers;
        for (int i = 1; i < m_plan.threads && i < static_cast<int>(jobs); ++i) helpers.emplace_back(work);
        work();
        for (std::thread& t : helpers) t.join();
        return out;
    }
    [[nodiscard]] std::uint64_t done() const { return m_done; }

private:
    const std::vector<BenchRun>& m_runs;
    const BenchFitPlan& m_plan;
    std::atomic<std::uint64_t> m_done{0};
};

BenchMeans measured(const BenchRun& r) {
    return {r.result.mean_ttft_ms, r.result.mean_tpot_ms, r.result.output_throughput};
}

double ttft_sigma_of(const BenchRun& r) {
    const auto same_length = [&](const Request& a) {
        return a.output_tokens == r.trace.requests.front().output_tokens;
    };
    const bool lockstep = r.result.max_concurrency && !r.result.request_rate &&
                          std::all_of(r.trace.requests.begin(), r.trace.requests.end(), same_length);
    return lockstep ? lockstep_ttft_sigma : ttft_sigma;
}

/// Errors in sigmas: of every run its TPOT and its TTFT, 0 where not measured. An offline run has but the
/// time that everything took, in the place of the TPOT.
Eigen::VectorXd errors_of(const std::vector<BenchRun>& runs, const std::vector<std::size_t>& which,
                          const std::vector<BenchMeans>& predicted) {
    Eigen::VectorXd out = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(2 * which.size()));
    for (std::size_t i = 0; i < which.size(); ++i) {
        const BenchMeans m = measured(runs[which[i]]);
        const auto at = static_cast<Eigen::Index>(2 * i);
        if (m.tpot_ms && predicted[i].tpot_ms)
            out[at] = std::log(*predicted[i].tpot_ms / *m.tpot_ms) / tpot_sigma;
        if (!m.tpot_ms && !m.ttft_ms && m.output_throughput && predicted[i].output_throughput)
            out[at] = std::log(*m.output_throughput / *predicted[i].output_throughput) / tpot_sigma;
        if (m.ttft_ms && predicted[i].ttft_ms)
            out[at + 1] = std::log(*predicted[i].ttft_ms / *m.ttft_ms) / ttft_sigma_of(runs[which[i]]);
    }
    return out;
}

bool is_ttft(Eigen::Index error) { return error % 2 == 1; }

double loss_of(const Eigen::VectorXd& errors, const Theta& theta) {
    double out = 0;
    for (Eigen::Index i = 0; i < errors.size(); ++i) {
        const double a = std::abs(errors[i]);
        if (is_ttft(i))
            out += robust_from * robust_from * std::log1p(a * a / (robust_from * robust_from));
        else
            out += a <= robust_from ? a * a : 2 * robust_from * a - robust_from * robust_from;
    }
    for (int i = 0; i < unknowns; ++i) out += std::pow(theta[i] / prior_sigma[i], 2);
    return out;
}
/// How much of an error's pull is left: the loss's slope over the square's.
double weight_of(Eigen::Index i, double error) {
    const double a = std::abs(error);
    if (is_ttft(i)) return 1 / (1 + a * a / (robust_from * robust_from));
    return a <= robust_from ? 1 : robust_from / a;
}

struct Fitted {
    Theta theta = Theta::Zero();
    Theta sigma = Theta::Zero();
    Eigen::MatrixXd slopes;  ///< [2 * runs][unknowns], in sigmas
};

/// `steps` Gauss-Newton steps from `start`; ends early when a step gains next to nothing.
Fitted fit(Simulations& simulate, const std::vector<BenchRun>& runs, const std::vector<std::size_t>& which,
           const Theta& start, int steps) {
    Fitted out;
    out.theta = start;
    for (int step = 0; step < steps; ++step) {
        std::vector<Theta> around = {out.theta};
        for (int i = 0; i < unknowns; ++i) {
            around.push_back(out.theta);
            around.back()[i] += step_of_slope;
        }
        const auto predicted = simulate(around, which);
        const Eigen::VectorXd errors = errors_of(runs, which, predicted[0]);
        out.slopes = Eigen::MatrixXd::Zero(errors.size(), unknowns);
        for (int i = 0; i < unknowns; ++i)
            out.slopes.col(i) =
                (errors_of(runs, which, predicted[static_cast<std::size_t>(i) + 1]) - errors) / step_of_slope;
        Eigen::VectorXd weights(errors.size());
        for (Eigen::Index i = 0; i < errors.size(); ++i) weights[i] = weight_of(i, errors[i]);
        Eigen::Matrix<double, unknowns, unknowns> normal =
            out.slopes.transpose() * weights.asDiagonal() * out.slopes;
        Theta gradient = out.slopes.transpose() * weights.asDiagonal() * errors;
        for (int i = 0; i < unknowns; ++i) {
            const double precision = 1 / (prior_sigma[i] * prior_sigma[i]);
            normal(i, i) += precision;
            gradient[i] += precision * out.theta[i];
        }
        const auto solved = normal.ldlt();
        out.sigma =
            solved.solve(Eigen::Matrix<double, unknowns, unknowns>::Identity()).diagonal().cwiseSqrt();
        const Theta move = -solved.solve(gradient);
        // The full step, half of it and a quarter, tried at once.
        std::vector<Theta> tries;
        for (const double share : {1.0, 0.5, 0.25}) tries.push_back(out.theta + share * move);
        const auto tried = simulate(tries, which);
        double least = loss_of(errors, out.theta);
        const double before = least;
        for (std::size_t i = 0; i < tries.size(); ++i)
            if (const double loss = loss_of(errors_of(runs, which, tried[i]), tries[i]); loss < least) {
                least = loss;
                out.theta = tries[i];
            }
        if (before - least < 0.01 + 0.002 * before) break;
    }
    return out;
}

}  // namespace

BenchMeans predict(const BenchRun& run, const CostFactors& factors, double front_end_ms) {
    StepTimeOptions options = run.options;
    const Result<StepTimeCoefficients> coefficients = read_step_time_coefficients(
        step_time_coefficients_json(run.capacity.gpu, factors, ""), step_time_coefficients(run.capacity.gpu));
    if (!coefficients)
        throw InternalError("scaled coefficients cannot be read: " +
                            to_string(coefficients.problems().front()));
    options.coefficients = *coefficients;
    const ClientDelays delays{from_seconds(front_end_ms / 1e3), ClientDelays{}.turnaround};
    Trace trace = run.trace;
    delay_arrivals(trace, delays);
    const BlueprintParts parts =
        bench_parts(server_parts(run.capacity, options), static_cast<std::uint32_t>(run.data_parallel),
                    run.result.max_concurrency.value_or(0), delays, trace.span);
    ObservationPlan plan;
    plan.requests = true;
    ObservedTrial trial = observe_trial([&](std::uint32_t growth) { return build(parts, growth); },
                                        trace.view(), {1, 0}, ServerKind::fast, plan);
    for (RequestRecord& r : trial.requests) r.arrival -= delays.front_end;
    const BenchReport report = bench_report(trial.requests, trial.outcome.itl);
    return {report.ttft.mean, report.tpot.mean, report.output_throughput};
}

BenchFit fit_to_benchmarks(const std::vector<BenchRun>& runs, const BenchFitPlan& plan) {
    Simulations simulate(runs, plan);
    std::vector<std::size_t> all(runs.size());
    for (std::size_t i = 0; i < runs.size(); ++i) all[i] = i;
    const Fitted best = fit(simulate, runs, all, Theta::Zero(), 8);
    const auto predicted = simulate({Theta::Zero(), best.theta}, all);

    BenchFit out;
    out.factors = factors_of(best.theta);
    out.front_end_ms = front_end_of(best.theta);
    for (std::size_t i = 0; i < runs.size(); ++i)
        out.runs.push_back(
            {runs[i].result.words(), measured(runs[i]), predicted[0][i], predicted[1][i], std::nullopt});
    for (int i = 0; i < unknowns; ++i) {
        FittedFactor part;
        part.name =
            i < cost_groups ? name_of(static_cast<CostGroup>(i)) : "the client's and API server's own time";
        part.factor = std::exp(best.theta[i]);
        part.sigma = best.sigma[i];
        part.before = prior_sigma[i];
        part.told = best.sigma[i] < 0.8 * prior_sigma[i];
        for (std::size_t run = 0; run < runs.size(); ++run)
            part.share += best.slopes(static_cast<Eigen::Index>(2 * run), i) * tpot_sigma /
                          static_cast<double>(runs.size());
        out.parts.push_back(std::move(part));
    }
    // Each result predicted by the others: how good the profile is where it was not fitted.
    if (runs.size() >= 3)
        for (std::size_t left = 0; left < runs.size(); ++left) {
            std::vector<std::size_t> others;
            for (const std::size_t i : all)
                if (i != left) others.push_back(i);
            const Fitted without = fit(simulate, runs, others, Theta::Zero(), 3);
            out.runs[left].held_out = simulate({without.theta}, {left})[0][0];
        }
    out.simulations = simulate.done();
    return out;
}

namespace {

template <class Predicted>
std::optional<double> mean_of_errors(const BenchFit& fit, std::optional<double> BenchMeans::*which,
                                     Predicted predicted) {
    double sum = 0;
    int n = 0;
    for (const FittedRun& run : fit.runs) {
        const BenchMeans* const p = predicted(run);
        if (!p || !(run.measured.*which) || !(p->*which)) continue;
        sum += std::abs(*(p->*which) / *(run.measured.*which) - 1);
        ++n;
    }
    return n > 0 ? std::optional<double>(sum / n) : std::nullopt;
}

}  // namespace

std::optional<double> mean_error(const BenchFit& fit, std::optional<double> BenchMeans::*which,
                                 BenchMeans FittedRun::*predicted) {
    return mean_of_errors(fit, which, [&](const FittedRun& run) { return &(run.*predicted); });
}
std::optional<double> mean_held_out_error(const BenchFit& fit, std::optional<double> BenchMeans::*which) {
    return mean_of_errors(fit, which,
                          [](const FittedRun& run) { return run.held_out ? &*run.held_out : nullptr; });
}

}  // namespace windtunnel
