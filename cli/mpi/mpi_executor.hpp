#pragma once
#include "cli/trial_executor.hpp"

#include <string>

namespace windtunnel {

/// Spreads trials over the ranks of MPI_COMM_WORLD: see README.md. Every rank calls run() for the same work.
class MpiExecutor : public TrialExecutor {
public:
    MpiExecutor();

    /// Afterwards every rank has kept every cell that any of them finished. Throws std::runtime_error on rank 0 where
    /// another rank has ended or runs something else.
    void run(const TrialWork& work) override;
    [[nodiscard]] bool speaks() const override { return m_rank == 0; }
    [[nodiscard]] int default_threads() const override { return 1; }

    /// The last call of every rank, with its exit code and what it had to say. Gives the code to exit with; ends all
    /// ranks at once where some of them still wait for work.
    [[nodiscard]] int leave(int code, const std::string& said);

private:
    void manage(const TrialWork& work);
    void serve(const TrialWork& work);

    int m_rank = 0, m_ranks = 1;
    int m_left = 0;  ///< ranks that said goodbye to rank 0
};

}  // namespace windtunnel
