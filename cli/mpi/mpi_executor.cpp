#include "cli/mpi/mpi_executor.hpp"

#include "reports/trial_json.hpp"

#include <mpi.h>

#include <fmt/format.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

/// What a message is. Only rank 0 and another rank ever talk.
enum Tag : int {
    tag_ready = 1,  ///< to rank 0: here I am; {identity of the work, number of its cells}
    tag_done,       ///< to rank 0: finished trials, a line of JSON each; asks for more
    tag_left,       ///< to rank 0: goodbye; exit code, a line break, what there was to say
    tag_cells       ///< from rank 0: cells to run; none = all are given away
};

std::string line_of(const FinishedTrial& trial) {
    return Json{{"cell", trial.cell}, {"numbers", trial_json(trial.numbers)}, {"reasons", trial.reasons}}.dump() + "\n";
}

template <class Take>
void each_line(const std::string& text, Take take) {
    for (std::size_t from = 0; from < text.size();) {
        const std::size_t to = text.find('\n', from);
        const Json json = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(from), text.begin() + static_cast<std::ptrdiff_t>(to));
        std::optional<TrialNumbers> numbers = trial_of_json(json.at("numbers"));
        if (!numbers) throw std::runtime_error("a rank sent a trial that is none");
        take(FinishedTrial{json.at("cell").get<std::uint64_t>(), std::move(*numbers),
                           json.at("reasons").get<std::vector<std::string>>()});
        from = to + 1;
    }
}

void send_text(const std::string& text, int to, Tag tag) {
    MPI_Send(text.data(), static_cast<int>(text.size()), MPI_CHAR, to, tag, MPI_COMM_WORLD);
}

struct Message {
    int from = 0, tag = 0;
    std::string text;
};
Message receive(int from) {
    MPI_Status status;
    MPI_Probe(from, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
    int bytes = 0;
    MPI_Get_count(&status, MPI_CHAR, &bytes);
    Message out{status.MPI_SOURCE, status.MPI_TAG, std::string(static_cast<std::size_t>(bytes), '\0')};
    MPI_Recv(out.text.data(), bytes, MPI_CHAR, out.from, out.tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    return out;
}

/// From rank 0 to all, in pieces that MPI's int counts.
void broadcast(std::string& text) {
    std::uint64_t size = text.size();
    MPI_Bcast(&size, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    text.resize(size);
    constexpr std::uint64_t piece = std::uint64_t{1} << 30;
    for (std::uint64_t at = 0; at < size; at += piece)
        MPI_Bcast(text.data() + at, static_cast<int>(std::min(piece, size - at)), MPI_CHAR, 0, MPI_COMM_WORLD);
}

bool interrupted(const TrialWork& work) {
    return work.grid.interrupted != nullptr && *static_cast<const volatile bool*>(work.grid.interrupted);
}

/// Runs some cells on this rank's threads.
void run_cells(const TrialWork& work, std::vector<std::uint64_t> cells, const std::function<void(FinishedTrial&&)>& keep) {
    ReplayGrid grid = work.grid;
    std::sort(cells.begin(), cells.end());
    grid.cells = std::move(cells);
    LocalExecutor().run({grid, work.numbers_of, keep, work.known, work.identity});
}

/// Cells that nobody has yet: large pieces first, small ones towards the end, when all must finish together.
class Pile {
public:
    Pile(std::vector<std::uint64_t> cells, int ranks, int threads)
        : m_cells(std::move(cells)),
          m_ranks(static_cast<std::size_t>(ranks)),
          m_least(static_cast<std::size_t>(std::max(threads, 1))) {
        std::reverse(m_cells.begin(), m_cells.end());
    }
    [[nodiscard]] std::vector<std::uint64_t> take() {
        const std::lock_guard<std::mutex> lock(m_guard);
        const std::size_t share = std::clamp<std::size_t>(m_cells.size() / (4 * m_ranks), m_least, 256);
        std::vector<std::uint64_t> out;
        while (!m_cells.empty() && out.size() < share) {
            out.push_back(m_cells.back());
            m_cells.pop_back();
        }
        return out;
    }
    void put_back(const std::vector<std::uint64_t>& cells) {
        const std::lock_guard<std::mutex> lock(m_guard);
        m_cells.insert(m_cells.end(), cells.rbegin(), cells.rend());
    }
    [[nodiscard]] bool empty() const {
        const std::lock_guard<std::mutex> lock(m_guard);
        return m_cells.empty();
    }

private:
    std::vector<std::uint64_t> m_cells;
    const std::size_t m_ranks, m_least;
    mutable std::mutex m_guard;
};

/// Rank 0's own share of the work, beside its talk with the others.
class OwnShare {
public:
    OwnShare(const TrialWork& work, Pile& pile, const std::function<void(FinishedTrial&&)>& keep)
        : m_thread([this, &work, &pile, &keep] {
              try {
                  while (!m_over && !interrupted(work)) {
                      const std::vector<std::uint64_t> cells = pile.take();
                      if (cells.empty()) {  // others may yet give some back
                          std::this_thread::sleep_for(std::chrono::milliseconds(1));
                          continue;
                      }
                      m_busy = true;
                      run_cells(work, cells, keep);
                      m_busy = false;
                  }
              } catch (...) {
                  m_failure = std::current_exception();
              }
              m_busy = false;
              m_ended = true;
          }) {}
    ~OwnShare() {
        m_over = true;
        m_thread.join();
    }
    OwnShare(const OwnShare&) = delete;
    OwnShare& operator=(const OwnShare&) = delete;

    [[nodiscard]] bool busy() const { return m_busy; }
    void rethrow() const {
        if (m_ended && m_failure) std::rethrow_exception(m_failure);
    }

private:
    std::atomic<bool> m_over{false}, m_busy{false}, m_ended{false};
    std::exception_ptr m_failure;
    std::thread m_thread;  // last: it uses the others
};

}  // namespace

MpiExecutor::MpiExecutor() {
    MPI_Comm_rank(MPI_COMM_WORLD, &m_rank);
    MPI_Comm_size(MPI_COMM_WORLD, &m_ranks);
}

void MpiExecutor::run(const TrialWork& work) {
    if (m_ranks == 1) {
        LocalExecutor().run(work);
    } else if (m_rank == 0) {
        manage(work);
    } else {
        serve(work);
    }
}

void MpiExecutor::manage(const TrialWork& work) {
    std::mutex guard;
    std::string lines;  // all that any rank finished, for all ranks
    for (const FinishedTrial& t : work.known) lines += line_of(t);
    const std::function<void(FinishedTrial&&)> keep = [&](FinishedTrial&& trial) {
        std::string line = line_of(trial);
        work.keep(std::move(trial));
        const std::lock_guard<std::mutex> lock(guard);
        lines += line;
    };
    Pile pile(*work.grid.cells, m_ranks, work.grid.threads);
    std::vector<std::vector<std::uint64_t>> given(static_cast<std::size_t>(m_ranks));
    std::vector<bool> stopped(given.size(), false);  // was interrupted by itself: gets no more
    int told = 0;                                    // ranks that know that all is given away
    const std::uint64_t cells = work.grid.configurations.size() * work.grid.trials;

    const auto answer = [&](const Message& m) {
        const auto rank = static_cast<std::size_t>(m.from);
        if (m.tag == tag_left) {
            ++m_left;
            throw std::runtime_error(fmt::format("rank {} ended before the run did, with exit code {}", m.from, m.text));
        }
        if (m.tag == tag_ready && m.text != fmt::format("{} {}", work.identity, cells))
            throw std::runtime_error(
                fmt::format("rank {} runs something else: every rank must find the same files", m.from));
        if (m.tag == tag_done) {
            std::vector<std::uint64_t> rest = std::move(given[rank]);
            each_line(m.text, [&](FinishedTrial&& trial) {
                std::erase(rest, trial.cell);
                keep(std::move(trial));
            });
            if (!rest.empty()) {
                stopped[rank] = true;
                pile.put_back(rest);
            }
        }
        given[rank] = stopped[rank] || interrupted(work) ? std::vector<std::uint64_t>() : pile.take();
        told += given[rank].empty() ? 1 : 0;
        MPI_Send(given[rank].data(), static_cast<int>(given[rank].size() * sizeof(std::uint64_t)), MPI_CHAR, m.from, tag_cells,
                 MPI_COMM_WORLD);
    };
    {
        const OwnShare own(work, pile, keep);
        while (told < m_ranks - 1 || own.busy() || (!pile.empty() && !interrupted(work))) {
            own.rethrow();
            int waiting = 0;
            MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &waiting, MPI_STATUS_IGNORE);
            if (waiting != 0)
                answer(receive(MPI_ANY_SOURCE));
            else
                std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
    }
    broadcast(lines);
}

void MpiExecutor::serve(const TrialWork& work) {
    send_text(fmt::format("{} {}", work.identity, work.grid.configurations.size() * work.grid.trials), 0, tag_ready);
    while (true) {
        const Message m = receive(0);
        std::vector<std::uint64_t> cells(m.text.size() / sizeof(std::uint64_t));
        std::copy(m.text.begin(), m.text.end(), reinterpret_cast<char*>(cells.data()));
        if (cells.empty()) break;
        std::mutex guard;
        std::string lines;
        run_cells(work, std::move(cells), [&](FinishedTrial&& trial) {
            const std::string line = line_of(trial);
            const std::lock_guard<std::mutex> lock(guard);
            lines += line;
        });
        send_text(lines, 0, tag_done);
    }
    std::string all;
    broadcast(all);
    each_line(all, work.keep);
}

int MpiExecutor::leave(int code, const std::string& said) {
    if (m_rank != 0) {
        send_text(fmt::format("{}\n{}", code, said), 0, tag_left);
        return 0;  // the job's exit code is rank 0's
    }
    for (; m_left < m_ranks - 1; ++m_left)
        if (const Message m = receive(MPI_ANY_SOURCE); m.tag != tag_left) MPI_Abort(MPI_COMM_WORLD, code == 0 ? 3 : code);
    return code;
}

}  // namespace windtunnel
