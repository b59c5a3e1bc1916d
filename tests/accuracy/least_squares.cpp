#include "tests/accuracy/least_squares.hpp"

#include <cmath>

namespace windtunnel::accuracy {

namespace {

double cost_of(const Eigen::VectorXd& r, double knee) {
    double cost = 0;
    for (const double x : r) cost += std::abs(x) <= knee ? x * x : knee * (2 * std::abs(x) - knee);
    return cost;
}

}  // namespace

Eigen::VectorXd LeastSquares::operator()(const Residuals& residuals, Eigen::VectorXd start) const {
    const Eigen::Index n = start.size();
    const Eigen::VectorXd origin = start.array().log();
    Eigen::VectorXd at = origin;
    const auto held = [&](const Eigen::VectorXd& logs) -> Eigen::VectorXd {
        if (hold.size() == 0) return Eigen::VectorXd::Zero(0);
        return ((logs - origin).array() * hold.array()).matrix();
    };
    const auto measured = [&](const Eigen::VectorXd& logs) { return residuals(logs.array().exp().matrix()); };
    Eigen::VectorXd r = measured(at);
    double cost = cost_of(r, knee) + held(at).squaredNorm(), damping = 1e-2;
    for (int round = 0; round < most_rounds; ++round) {
        if (progress) progress(round, cost);
        Eigen::MatrixXd jacobian(r.size(), n);
        constexpr double step = 0.02;
        for (Eigen::Index j = 0; j < n; ++j) {
            Eigen::VectorXd up = at;
            up[j] += step;
            jacobian.col(j) = (measured(up) - r) / step;
        }
        const Eigen::VectorXd weight =
            r.unaryExpr([&](double x) { return std::abs(x) <= knee ? 1.0 : knee / std::abs(x); });
        Eigen::MatrixXd normal = jacobian.transpose() * weight.asDiagonal() * jacobian;
        Eigen::VectorXd slope = jacobian.transpose() * weight.asDiagonal() * r;
        if (hold.size() > 0) {
            normal.diagonal().array() += hold.array().square();
            slope += (hold.array().square() * (at - origin).array()).matrix();
        }
        bool better = false;
        for (int attempt = 0; attempt < 8 && !better; ++attempt) {
            Eigen::MatrixXd damped = normal;
            damped.diagonal().array() += damping * (normal.diagonal().array() + 1e-9);
            Eigen::VectorXd change = -damped.ldlt().solve(slope);
            change = change.cwiseMax(-1.0).cwiseMin(1.0);
            const Eigen::VectorXd next = at + change;
            const Eigen::VectorXd tried = measured(next);
            const double tried_cost = cost_of(tried, knee) + held(next).squaredNorm();
            if (tried_cost < cost) {
                better = cost - tried_cost > 1e-5 * cost;
                at = next;
                r = tried;
                cost = tried_cost;
                damping = std::max(damping / 4, 1e-6);
                if (!better) return at.array().exp().matrix();
            } else {
                damping *= 5;
            }
        }
        if (!better) break;
    }
    return at.array().exp().matrix();
}

}  // namespace windtunnel::accuracy
