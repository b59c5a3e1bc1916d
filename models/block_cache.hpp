#pragma once
#include "models/arena.hpp"
#include "models/expects.hpp"
#include "models/request.hpp"
#include "models/run_list.hpp"

#include <cstdint>

namespace windtunnel {

/// Which cached KV blocks a job owns or left behind; beside its Job where prefixes are cached.
struct JobBlocks {
    std::uint32_t last = 0xffffffffu;  ///< of the runs that others may share, its last; the others are its parents
    std::uint32_t shared = 0;          ///< how many of these blocks it holds
    std::uint32_t left = 0xffffffffu;  ///< preempted: the run of its own blocks in the free list
    std::uint32_t left_full = 0;       ///< of these, how many were full and can be found again
    std::uint32_t list = 0xffffffffu;  ///< of the shareable blocks that it holds, where these are listed
    std::uint32_t admitted = 0;        ///< it has been, at least once
};

/// The prompts of a workload as paths from the root of their prefix tree, seen in blocks. A path is the place
/// of its first node among the workload's.
struct PromptPaths {
    PrefixView prefixes;
    std::uint32_t block_size = 1;

    /// The node of a path in which its `block`-th block ends.
    [[nodiscard]] WT_HD std::uint32_t node(std::uint32_t path, std::uint32_t block) const {
        return prefixes.nodes[path + step(block)];
    }
    /// Where two paths part that have their `from`-th block in common: the first block that they do not, at
    /// most `end`. Both have blocks up to there.
    [[nodiscard]] WT_HD std::uint32_t parting(std::uint32_t a, std::uint32_t b, std::uint32_t from,
                                              std::uint32_t end) const {
        if (a == b || node(a, end - 1) == node(b, end - 1)) return end;
        std::uint32_t same = step(from), differs = step(end - 1);
        while (differs - same > 1) {
            const std::uint32_t middle = same + (differs - same) / 2;
            if (prefixes.nodes[a + middle] == prefixes.nodes[b + middle])
                same = middle;
            else
                differs = middle;
        }
        return begin_of(differs);
    }

    /// The first block that ends in the node in which `block` does, and the first that ends in a later one.
    [[nodiscard]] WT_HD std::uint32_t node_begin(std::uint32_t block) const { return begin_of(step(block)); }
    [[nodiscard]] WT_HD std::uint32_t node_end(std::uint32_t block) const { return begin_of(step(block) + 1); }

private:
    [[nodiscard]] WT_HD std::uint32_t step(std::uint32_t block) const {
        return ((block + 1) * block_size - 1) / prefixes.tokens_per_node;
    }
    [[nodiscard]] WT_HD std::uint32_t begin_of(std::uint32_t step) const {
        return static_cast<std::uint32_t>(std::uint64_t{step} * prefixes.tokens_per_node / block_size);
    }
};

/// The KV blocks of one vLLM engine with prefix caching (vllm.md, section 2): who may find which block again,
/// and in which order free blocks are taken. Exact, but blocks have no identity of their own: they are
/// counted in runs.
///
/// The free list is vLLM's: blocks are taken from its front, which forgets what they held, and freed to its
/// back, the last block of a request first. So a block is forgotten after all that follow it in its chain,
/// and
/// - what is cached of a chain is a beginning of it;
/// - the copy of a block that is found (the oldest) is the parent of every cached block that follows it. A
///   second copy comes only from a prompt that ends with that block: it is computed again for the sake of its
///   last token.
///
/// Blocks that follow each other in a chain and that the same jobs hold are therefore one run, a branch of a
/// tree: free, they stand in the list as one, the last in front, and lose their last when it is taken. A run
/// is cut in two where a prompt turns off from it or ends, so that every job holds whole runs, and what goes
/// on from a run begins one of its own. The table knows the first block of each; a job's runs are a list from
/// the last backward.
///
/// Several prompts that are computed in turns, a part of each in every step, break the second rule, and so does a
/// cached block that is computed anew before what follows it: who finds a chain may find blocks of both. Then (`lists`) every block is a run, and each job has a table of those
/// that it holds.
template <class Layout>
class BlockCache {
public:
    static constexpr std::uint32_t none = 0xffffffffu;

    /// Runs for `blocks` blocks that others may find and `jobs` jobs that were preempted. Nothing when both
    /// are 0. `listed`: how many of its blocks each job lists; 0 = they are found by their parents.
    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::int64_t blocks, std::int64_t jobs,
                                std::int64_t listed = 0) {
        m_list_size = static_cast<std::uint32_t>(listed);
        m_lists = arena.template take<std::uint32_t>(static_cast<std::size_t>(listed * jobs));
        m_free_lists = arena.template take<std::uint32_t>(static_cast<std::size_t>(listed > 0 ? jobs : 0));
        m_list_count = listed > 0 ? static_cast<std::uint32_t>(jobs) : 0;
        m_capacity = jobs == 0 ? 0 : static_cast<std::uint32_t>(blocks + 2 * jobs + 4);
        m_runs.take_memory(arena, m_capacity);
        std::uint32_t slots = 0;
        if (blocks > 0)
            for (slots = 16; slots < 2 * static_cast<std::uint64_t>(blocks); slots *= 2) {
            }
        m_table = arena.template take<std::uint32_t>(slots);
        m_mask = slots == 0 ? 0 : slots - 1;
        m_slots = slots;
    }

    /// Empty: `blocks` free blocks that hold nothing.
    WT_HD_COLD void start(std::int64_t blocks) {
        for (std::uint32_t i = 0; i < m_slots; ++i) m_table[i] = none;
        for (std::uint32_t i = 0; i < m_list_count; ++i) m_free_lists[i] = i;
        m_lists_left = m_list_count;
        m_runs.start();
        push_run(blocks, 0, nullptr);
    }
    [[nodiscard]] WT_HD bool enabled() const { return m_capacity > 0; }

    // ---- finding blocks again ------------------------------------------------------------------------

    /// Blocks of a chain that are cached, and how many of them somebody holds.
    struct Cached {
        std::uint32_t blocks = 0, held = 0;
    };
    /// Of the first `limit` blocks of a path.
    [[nodiscard]] WT_HD Cached find(const PromptPaths& paths, std::uint32_t path, std::uint32_t limit) const {
        Cached found;
        while (found.blocks < limit) {
            const std::uint32_t index =
                m_table[slot_of(key_of(paths.node(path, found.blocks), found.blocks))];
            if (index == none) break;
            const std::uint32_t end = common_end(paths, path, found.blocks, limit, m_runs[index]);
            if (m_runs[index].holders > 0) found.held += end - found.blocks;
            found.blocks = end;
        }
        return found;
    }
    /// How many blocks of a preempted job's own are still in the list and full.
    [[nodiscard]] WT_HD std::uint32_t left_of(const JobBlocks& job) const {
        if (job.left == none) return 0;
        const std::uint32_t there = m_runs[job.left].length;
        return there < job.left_full ? there : job.left_full;
    }

    /// A job takes the first `blocks` blocks of its path, which were found.
    WT_HD_CALL void take(JobBlocks& job, const PromptPaths& paths, std::uint32_t path, std::uint32_t blocks) {
        while (job.shared < blocks) {
            std::uint32_t index = m_table[slot_of(key_of(paths.node(path, job.shared), job.shared))];
            const std::uint32_t end = common_end(paths, path, job.shared, blocks, m_runs[index]);
            if (end - job.shared < m_runs[index].length) index = cut(paths, index, end);
            if (m_runs[index].holders == 0) m_runs.unlink(index);
            ++m_runs[index].holders;
            hold(job, index);
        }
    }
    /// A preempted job takes `blocks` of its own back, the first of them.
    WT_HD_CALL void take_left(JobBlocks& job, std::uint32_t blocks) {
        if (job.left == none) return;
        m_runs[job.left].length -= blocks;
        disown(job);
    }
    /// A job that was preempted will not come back for what it left.
    WT_HD void disown(JobBlocks& job) {
        if (job.left == none) return;
        const std::uint32_t run = job.left;
        job.left = none;
        m_runs[run].other = none;
        if (m_runs[run].length == 0) {
            m_runs.unlink(run);
            m_runs.give_back(run);
        } else {
            const std::uint32_t after = m_runs[run].next;
            join(after, join(run, m_runs[run].previous));
        }
    }

    // ---- taking and freeing --------------------------------------------------------------------------

    /// Takes `blocks` free blocks, oldest first. The owners of runs that are used up hear of it by `jobs`.
    template <class Jobs>
    WT_HD_CALL void pop(std::int64_t blocks, Jobs& jobs) {
        while (blocks > 0) {
            const std::uint32_t front = m_runs.first();
            Run& run = m_runs[front];
            const std::int64_t taken = blocks < static_cast<std::int64_t>(run.length) ? blocks : run.length;
            run.length -= static_cast<std::uint32_t>(taken);
            blocks -= taken;
            if (run.length > 0) return;
            if (run.key != 0)
                forget(front);
            else if (run.other != none)
                jobs[run.other].left = none;
            m_runs.unlink(front);
            m_runs.give_back(front);
        }
    }

    /// Blocks that a job took, up to the `end`-th of its path, have become full: from now on others find
    /// them.
    WT_HD_CALL void enter(JobBlocks& job, const PromptPaths& paths, std::uint32_t path, std::uint32_t end) {
        while (job.shared < end) {
            const std::uint64_t key = key_of(paths.node(path, job.shared), job.shared);
            const std::uint32_t at = slot_of(key), first = m_table[at];
            const std::uint32_t blocks = first != none || m_list_size > 0 ? 1 : end - job.shared;
            if (first == none && m_list_size == 0 && is_growing(job, path)) {
                m_runs[job.last].length += blocks;
                job.shared += blocks;
                return;
            }
            const std::uint32_t index = m_runs.take();
            Run& made = m_runs[index];
            made.key = key;
            made.path = path;
            made.parent = job.last;
            made.length = blocks;
            made.holders = 1;
            made.other = none;
            made.has_followers = 0;
            if (job.last != none) m_runs[job.last].has_followers = 1;
            hold(job, index);
            if (first == none) {
                m_table[at] = index;
            } else {
                std::uint32_t copy = first;  // behind the older copies
                while (m_runs[copy].other != none) copy = m_runs[copy].other;
                m_runs[copy].other = index;
            }
        }
    }

    /// A job frees all of its blocks: the shareable ones and `own` others, which follow these. How many are
    /// free now that were not. With `preempted`, `full` of its own can be found again by it, which is job
    /// `index`.
    WT_HD_CALL std::int64_t release(JobBlocks& job, std::int64_t own, std::int64_t full = 0,
                                    std::uint32_t index = none) {
        std::int64_t freed = own;
        job.left = none;
        if (own > 0) {
            if (full > 0) {
                job.left = push_run(own, static_cast<std::uint32_t>(full), &job);
                m_runs[job.left].other = index;
            } else {
                push_run(own, 0, nullptr);
            }
        }
        for (std::uint32_t at = job.last; job.shared > 0;) {
            if (job.list != none) at = m_lists[job.list * m_list_size + job.shared - 1];
            Run& run = m_runs[at];
            const std::uint32_t parent = run.parent;
            job.shared -= run.length;
            if (--run.holders == 0) {
                freed += run.length;
                m_runs.push_back(at);
            }
            at = parent;
        }
        job.last = none;
        if (job.list != none) m_free_lists[m_lists_left++] = job.list;
        job.list = none;
        return freed;
    }

private:
    /// Blocks that follow each other in a chain and that others may find (key > 0), or blocks that nobody
    /// does.
    struct Run {
        std::uint64_t key = 0;                       ///< what its first block holds
        std::uint32_t path = 0;                      ///< of a prompt that goes through all of them
        std::uint32_t parent = none;                 ///< the run before it in the chain
        std::uint32_t next = none, previous = none;  ///< in the free list, from its front
        std::uint32_t length = 0;                    ///< blocks
        std::uint32_t holders = 0;                   ///< jobs
        std::uint32_t other = none;  ///< a younger run with the same first block; of blocks that nobody
                                     ///< finds: the preempted job that left them
        std::uint32_t has_followers = 0;  ///< another run has gone on from its end
    };

    [[nodiscard]] WT_HD static std::uint64_t key_of(std::uint32_t node, std::uint32_t block) {
        return (std::uint64_t{node} << 32 | block) + 1;
    }
    [[nodiscard]] WT_HD std::uint32_t home_of(std::uint64_t key) const {
        return static_cast<std::uint32_t>((key * 0x9e3779b97f4a7c15u) >> 32) & m_mask;
    }
    /// Where the table has a key, or would have it.
    [[nodiscard]] WT_HD std::uint32_t slot_of(std::uint64_t key) const {
        std::uint32_t at = home_of(key);
        while (m_table[at] != none && m_runs[m_table[at]].key != key) at = (at + 1) & m_mask;
        return at;
    }
    /// Where a path leaves a run that begins with its `from`-th block, or it or `limit` is reached.
    [[nodiscard]] WT_HD static std::uint32_t common_end(const PromptPaths& paths, std::uint32_t path,
                                                        std::uint32_t from, std::uint32_t limit,
                                                        const Run& run) {
        const std::uint32_t end = limit - from < run.length ? limit : from + run.length;
        return paths.parting(run.path, path, from, end);
    }
    /// Whether the blocks that follow a job's may join the last run that it holds: nobody else holds it,
    /// nothing else has gone on from it, and its path is the job's.
    [[nodiscard]] WT_HD bool is_growing(const JobBlocks& job, std::uint32_t path) const {
        if (job.last == none) return false;
        const Run& run = m_runs[job.last];
        return run.holders == 1 && !run.has_followers && run.path == path;
    }
    /// Cuts a run before the `at`-th block of its chain. It remains the second part, so that those who hold
    /// it have the first part too, by its parent; the first part is returned.
    WT_HD_COLD std::uint32_t cut(const PromptPaths& paths, std::uint32_t second, std::uint32_t at) {
        const std::uint32_t first = m_runs.take();
        Run &head = m_runs[first], &tail = m_runs[second];
        head = tail;
        head.has_followers = 1;
        head.length = at - static_cast<std::uint32_t>(tail.key - 1);
        tail.length -= head.length;
        tail.parent = first;
        tail.other = none;  // a copy begins a run
        m_table[slot_of(head.key)] = first;
        tail.key = key_of(paths.node(tail.path, at), at);
        m_table[slot_of(tail.key)] = second;
        if (head.holders > 0) return first;
        m_runs.insert_behind(second, first);  // it is taken after the second
        return first;
    }

    /// A job has a run besides those that it holds: what comes next in its chain.
    WT_HD void hold(JobBlocks& job, std::uint32_t run) {
        if (m_list_size > 0) {
            if (job.list == none) job.list = m_free_lists[--m_lists_left];
            m_lists[job.list * m_list_size + job.shared] = run;
        }
        job.last = run;
        job.shared += m_runs[run].length;
    }
    /// Frees `blocks` that have no identity. A run that nobody comes back for grows the one before it.
    WT_HD std::uint32_t push_run(std::int64_t blocks, std::uint32_t full, JobBlocks* job) {
        const std::uint32_t last = m_runs.last();
        if (job == nullptr && last != none && is_dead_run(last)) {
            m_runs[last].length += static_cast<std::uint32_t>(blocks);
            return last;
        }
        const std::uint32_t index = m_runs.take();
        Run& run = m_runs[index];
        run.key = 0;
        run.parent = run.other = none;
        run.holders = 0;
        run.length = static_cast<std::uint32_t>(blocks);
        m_runs.push_back(index);
        if (job != nullptr) job->left_full = full;
        return index;
    }
    [[nodiscard]] WT_HD bool is_dead_run(std::uint32_t index) const {
        return m_runs[index].key == 0 && m_runs[index].other == none;
    }
    /// Makes one run of two neighbours, if both are dead; the one that remains.
    WT_HD std::uint32_t join(std::uint32_t a, std::uint32_t b) {
        if (a == none || b == none || !is_dead_run(a) || !is_dead_run(b)) return a;
        m_runs[b].length += m_runs[a].length;
        m_runs.unlink(a);
        m_runs.give_back(a);
        return b;
    }

    /// Takes a run out of the table; the next older copy of its first block is found from now on.
    WT_HD void forget(std::uint32_t index) {
        const std::uint32_t at = slot_of(m_runs[index].key);
        std::uint32_t copy = m_table[at];
        if (copy != index) {
            while (m_runs[copy].other != index) copy = m_runs[copy].other;
            m_runs[copy].other = m_runs[index].other;
            return;
        }
        if (m_runs[index].other != none) {
            m_table[at] = m_runs[index].other;
            return;
        }
        // Linear probing without tombstones (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).
        std::uint32_t hole = at;
        for (std::uint32_t next = (at + 1) & m_mask; m_table[next] != none; next = (next + 1) & m_mask) {
            const std::uint32_t home = home_of(m_runs[m_table[next]].key);
            if (((next - home) & m_mask) < ((next - hole) & m_mask)) continue;
            m_table[hole] = m_table[next];
            hole = next;
        }
        m_table[hole] = none;
    }

    RunList<Run, Layout> m_runs;
    ArenaArray<std::uint32_t, Layout>
        m_table;  ///< open addressing: the oldest run that begins with a content
    ArenaArray<std::uint32_t, Layout> m_lists, m_free_lists;  ///< [list][position]; those that nobody has
    std::uint32_t m_list_size = 0, m_list_count = 0, m_lists_left = 0;
    std::uint32_t m_capacity = 0, m_slots = 0, m_mask = 0;
};

}  // namespace windtunnel
