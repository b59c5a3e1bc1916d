#pragma once
#include "models/job.hpp"
#include "models/server_config.hpp"

namespace windtunnel {

/// V0's swap space (vllm.md 4.3, 4.8): the KV blocks of sequences that gave way, in the host's memory. They come
/// back before anything is admitted, the oldest arrival first (vLLM's swapped queue is sorted by its policy; from
/// general knowledge of core/scheduler.py, 0.2 to 0.5).
template <class Layout>
class SwapSpace {
public:
    using Pool = JobPool<Layout>;

    WT_HD_COLD void start(const ServerConfig& config) {
        m_queue = {};
        m_config = &config;
        m_used = m_moved = 0;
        m_overrun = false;
    }
    [[nodiscard]] WT_HD bool empty() const { return m_queue.empty(); }
    [[nodiscard]] WT_HD std::uint32_t size() const { return m_queue.size; }
    [[nodiscard]] WT_HD JobIndex first() const { return m_queue.head; }
    [[nodiscard]] WT_HD std::int64_t used_blocks() const { return m_used; }
    /// Somebody found no room: the engine has raised an error and is gone.
    [[nodiscard]] WT_HD bool overrun() const { return m_overrun; }

    /// Whether so many blocks have room. When not, nothing survives it.
    [[nodiscard]] WT_HD_COLD bool finds_room(std::int64_t blocks) {
        m_overrun = m_overrun || blocks > m_config->swap_blocks - m_used;
        return !m_overrun;
    }
    /// A job's blocks move out; they have room.
    WT_HD_COLD void put(Pool& pool, JobIndex index) {
        m_used += blocks_of(pool, index);
        m_moved += blocks_of(pool, index);
        JobIndex after = m_queue.head;
        while (after != no_job && comes_before(pool[after], pool[index])) after = pool[after].next;
        m_queue.insert_before(pool, index, after);
    }
    /// They move back in.
    WT_HD_COLD void take_first(Pool& pool) {
        m_moved += blocks_of(pool, m_queue.head);
        drop(pool, m_queue.head);
    }
    /// Nobody waits for the job any more.
    WT_HD_COLD void drop(Pool& pool, JobIndex index) {
        m_used -= blocks_of(pool, index);
        m_queue.remove(pool, index);
    }
    /// How long the blocks that were moved since the last call take over the bus; the step waits for them.
    [[nodiscard]] WT_HD Tick take_time() {
        const Tick time = m_moved * m_config->swap_block_time;
        m_moved = 0;
        return time;
    }

    [[nodiscard]] WT_HD std::int64_t blocks_of(const Pool& pool, JobIndex index) const {
        return m_config->blocks_for(pool[index].computed);
    }

private:
    [[nodiscard]] WT_HD static bool comes_before(const Job& a, const Job& b) {
        return a.arrival != b.arrival ? a.arrival < b.arrival : a.request < b.request;
    }

    JobQueue<Layout> m_queue;
    const ServerConfig* m_config = nullptr;
    std::int64_t m_used = 0, m_moved = 0;
    bool m_overrun = false;
};

}  // namespace windtunnel
