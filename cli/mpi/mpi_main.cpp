// The program windtunnel-mpi: windtunnel, with its trials spread over the ranks of an MPI job.
#include "cli/command_line.hpp"
#include "cli/mpi/mpi_executor.hpp"
#include "reports/atomic_file.hpp"

#include <mpi.h>

#include <unistd.h>
#include <cstdio>
#include <memory>
#include <string>

namespace {

/// What a rank that does not speak would have said: rank 0 says it should it end alone.
class Muted {
public:
    Muted() : m_said(std::tmpfile()) {
        if (m_said != nullptr) ::dup2(::fileno(m_said), STDERR_FILENO);
        if (std::freopen("/dev/null", "w", stdout) == nullptr) ::close(STDOUT_FILENO);
        windtunnel::write_no_files();
    }
    [[nodiscard]] std::string said() const {
        std::string out;
        if (m_said == nullptr) return out;
        std::fflush(stderr);
        std::rewind(m_said);
        for (int c = std::fgetc(m_said); c != EOF; c = std::fgetc(m_said)) out += static_cast<char>(c);
        return out;
    }

private:
    std::FILE* m_said;
};

}  // namespace

int main(int argc, char** argv) {
    // Rank 0 computes in threads of its own; only its main thread talks to MPI.
    int provided = 0;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    auto executor = std::make_unique<windtunnel::MpiExecutor>();
    windtunnel::MpiExecutor& ranks = *executor;
    std::unique_ptr<Muted> muted;
    if (!ranks.speaks()) muted = std::make_unique<Muted>();
    windtunnel::set_trial_executor(std::move(executor));
    const int code = windtunnel::run_command_line(argc, argv);
    const int exit_code = ranks.leave(code, muted ? muted->said() : "");
    MPI_Finalize();
    return exit_code;
}
