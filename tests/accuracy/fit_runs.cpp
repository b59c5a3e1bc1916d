#include "reports/bench_prediction.hpp"
#include "tests/accuracy/evaluation.hpp"
#include "tests/accuracy/fit.hpp"
#include "tests/accuracy/least_squares.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace windtunnel::accuracy {

StepTimeCoefficients with_profile(const StepTimeCoefficients& base, const Profile& profile) {
    StepTimeCoefficients out = base;
    for (const auto& [key, value] : profile) set_step_time_coefficient(out, key, value);
    return out;
}

double possible(const std::string& key, double value) {
    const bool is_share = !key.ends_with("_us") && !key.ends_with("_tokens");
    return is_share ? std::min(value, 1.0) : value;
}

double coefficient(const StepTimeCoefficients& k, const std::string& key) {
    return step_time_coefficient(k, key);
}

std::vector<double> log_errors(const MeasuredCase& c, const StepTimeCoefficients* coefficients) {
    const Result<KvCapacity> capacity = kv_capacity(c.server);
    if (!capacity || !capacity->fits) return {};
    StepTimeOptions options = c.options;
    options.enforce_eager = c.server.enforce_eager;
    options.max_cudagraph_capture_size = c.server.max_cudagraph_capture_size;
    if (coefficients != nullptr) options.coefficients = *coefficients;
    BenchLoad load;
    load.engines = static_cast<std::uint32_t>(c.server.data_parallel);
    load.max_concurrency = c.trace ? 0 : c.spec.max_concurrency;
    load.delays = c.delays;
    const auto p = predict_bench(*capacity, options, c.trace ? *c.trace : *bench_trace(c.spec), load);
    if (!p) return {};
    std::vector<double> out;
    for (const Measured& m : c.measured) out.push_back(std::log(*value_of(p->report, m.metric) / m.value));
    return out;
}

Profile fit_runs(const std::vector<const MeasuredCase*>& cases, const StepTimeCoefficients& base,
                 const std::vector<FreeCoefficient>& free, int rounds) {
    const auto n = static_cast<Eigen::Index>(free.size());
    const auto profile_of = [&](const Eigen::VectorXd& p) {
        Profile out;
        for (Eigen::Index i = 0; i < n; ++i) {
            const std::string& key = free[static_cast<std::size_t>(i)].key;
            out[key] = possible(key, p[i]);
        }
        return out;
    };
    const auto residuals = [&](const Eigen::VectorXd& p) -> Eigen::VectorXd {
        const StepTimeCoefficients k = with_profile(base, profile_of(p));
        std::vector<double> all;
        for (const MeasuredCase* c : cases)
            for (const double e : log_errors(*c, &k)) all.push_back(e);
        return Eigen::Map<Eigen::VectorXd>(all.data(), static_cast<Eigen::Index>(all.size()));
    };
    Eigen::VectorXd start(n), hold(n);
    for (Eigen::Index i = 0; i < n; ++i) {
        start[i] = coefficient(base, free[static_cast<std::size_t>(i)].key);
        hold[i] = free[static_cast<std::size_t>(i)].hold;
    }
    LeastSquares solve;
    solve.most_rounds = rounds;
    solve.knee = 0.12;
    solve.hold = hold;
    solve.progress = [](int round, double cost) {
        fmt::print(stderr, "  round {}: cost {:.4f}\n", round, cost);
    };
    return profile_of(solve(residuals, start));
}

}  // namespace windtunnel::accuracy
