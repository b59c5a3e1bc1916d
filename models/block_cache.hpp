#pragma once
#include "models/arena.hpp"
#include "models/expects.hpp"
#include "models/request.hpp"

#include <cstdint>

namespace windtunnel {

/// Which cached KV blocks a job owns or left behind; beside its Job where prefixes are cached.
struct JobBlocks {
    std::uint32_t last = 0xffffffffu;  ///< the last of its blocks that others may share; its others follow by `parent`
    std::uint32_t shared = 0;          ///< how many of these it holds
    std::uint32_t left = 0xffffffffu;  ///< preempted: the run of its own blocks in the free list
    std::uint32_t left_full = 0;       ///< of these, how many were full and can be found again
    std::uint32_t list = 0xffffffffu;  ///< of the shareable blocks that it holds, where these are listed
    std::uint32_t admitted = 0;        ///< it has been, at least once
};

/// The KV blocks of one vLLM engine with prefix caching (vllm.md, section 2): who may find which block again, and in
/// which order free blocks are taken. Exact, but blocks that nobody else can ever find (a request's own part of the
/// prompt, its outputs) are counted in runs and have no identity.
///
/// The free list is vLLM's: blocks are taken from its front, which forgets what they held, and freed to its back,
/// the last block of a request first. So a block is forgotten after all that follow it in its chain, and
/// - what is cached of a chain is a beginning of it;
/// - the copy of a block that is found (the oldest) is the parent of every cached block that follows it. A second
///   copy comes only from a prompt that ends with that block: it is computed again for the sake of its last token.
/// A job's shareable blocks are therefore a list from the last backward, and no table is kept.
///
/// Several prompts that are computed in turns, a part of each in every step, break the second rule: who finds a chain
/// may find blocks of both. Then (`lists`) each job has a table of the blocks that it holds.
template <class Layout>
class BlockCache {
public:
    static constexpr std::uint32_t none = 0xffffffffu;

    /// Nodes for `blocks` blocks that others may find and `jobs` jobs that were preempted. Nothing when both are 0.
    /// `listed`: how many of its blocks each job lists; 0 = they are found by their parents.
    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::int64_t blocks, std::int64_t jobs, std::int64_t listed = 0) {
        m_list_size = static_cast<std::uint32_t>(listed);
        m_lists = arena.template take<std::uint32_t>(static_cast<std::size_t>(listed * jobs));
        m_free_lists = arena.template take<std::uint32_t>(static_cast<std::size_t>(listed > 0 ? jobs : 0));
        m_list_count = listed > 0 ? static_cast<std::uint32_t>(jobs) : 0;
        m_capacity = jobs == 0 ? 0 : static_cast<std::uint32_t>(blocks + 2 * jobs + 4);
        m_nodes = arena.template take<Node>(m_capacity);
        std::uint32_t slots = 0;
        if (blocks > 0)
            for (slots = 16; slots < 2 * static_cast<std::uint64_t>(blocks); slots *= 2) {}
        m_table = arena.template take<std::uint32_t>(slots);
        m_mask = slots == 0 ? 0 : slots - 1;
        m_slots = slots;
    }

    /// Empty: `blocks` free blocks that hold nothing.
    WT_HD_COLD void start(std::int64_t blocks) {
        for (std::uint32_t i = 0; i < m_slots; ++i) m_table[i] = none;
        m_unused = none;
        m_fresh = 0;
        for (std::uint32_t i = 0; i < m_list_count; ++i) m_free_lists[i] = i;
        m_lists_left = m_list_count;
        m_first = m_last = none;
        push_run(blocks, 0, nullptr);
    }
    [[nodiscard]] WT_HD bool enabled() const { return m_capacity > 0; }

    // ---- finding blocks again ------------------------------------------------------------------------

    /// The block of a chain at `node` of the tree that ends a `block`-th block; none = not cached.
    [[nodiscard]] WT_HD std::uint32_t find(std::uint32_t node, std::uint32_t block) const {
        const std::uint64_t key = key_of(node, block);
        for (std::uint32_t at = slot_of(key);; at = (at + 1) & m_mask) {
            const std::uint32_t found = m_table[at];
            if (found == none || m_nodes[found].key == key) return found;
        }
    }
    [[nodiscard]] WT_HD bool is_free(std::uint32_t block) const { return m_nodes[block].count == 0; }
    /// How many blocks of a preempted job's own are still in the list and full.
    [[nodiscard]] WT_HD std::uint32_t left_of(const JobBlocks& job) const {
        if (job.left == none) return 0;
        const std::uint32_t there = m_nodes[job.left].count;
        return there < job.left_full ? there : job.left_full;
    }

    /// A job takes a block that was found.
    WT_HD void take(JobBlocks& job, std::uint32_t block) {
        if (m_nodes[block].count == 0) unlink(block);
        ++m_nodes[block].count;
        hold(job, block);
    }
    /// A preempted job takes `blocks` of its own back, the first of them.
    WT_HD void take_left(JobBlocks& job, std::uint32_t blocks) {
        if (job.left == none) return;
        m_nodes[job.left].count -= blocks;
        disown(job);
    }
    /// A job that was preempted will not come back for what it left.
    WT_HD void disown(JobBlocks& job) {
        if (job.left == none) return;
        const std::uint32_t run = job.left;
        job.left = none;
        m_nodes[run].owner = none;
        if (m_nodes[run].count == 0) {
            unlink(run);
            give_back(run);
        } else {
            const std::uint32_t after = m_nodes[run].next;
            join(after, join(run, m_nodes[run].previous));
        }
    }

    // ---- taking and freeing --------------------------------------------------------------------------

    /// Takes `blocks` free blocks, oldest first. The owners of runs that are used up hear of it by `jobs`.
    template <class Jobs>
    WT_HD void pop(std::int64_t blocks, Jobs& jobs) {
        while (blocks > 0) {
            const std::uint32_t front = m_first;
            Node& node = m_nodes[front];
            if (node.key != 0) {
                forget(front);
                --blocks;
            } else {
                const std::int64_t taken = blocks < static_cast<std::int64_t>(node.count) ? blocks : node.count;
                node.count -= static_cast<std::uint32_t>(taken);
                blocks -= taken;
                if (node.count > 0) return;
                if (node.owner != none) jobs[node.owner].left = none;
            }
            unlink(front);
            give_back(front);
        }
    }

    /// A block that a job took has become full: from now on others find it.
    WT_HD void enter(JobBlocks& job, std::uint32_t node, std::uint32_t block) {
        const std::uint32_t index = take_node();
        Node& made = m_nodes[index];
        made.key = key_of(node, block);
        made.parent = job.last;
        made.count = 1;
        made.twin = none;
        hold(job, index);
        for (std::uint32_t at = slot_of(made.key);; at = (at + 1) & m_mask) {
            if (m_table[at] == none) {
                m_table[at] = index;
                return;
            }
            if (m_nodes[m_table[at]].key != made.key) continue;
            std::uint32_t copy = m_table[at];  // behind the older copies
            while (m_nodes[copy].twin != none) copy = m_nodes[copy].twin;
            m_nodes[copy].twin = index;
            return;
        }
    }

    /// A job frees all of its blocks: the shareable ones and `own` others, which follow these. How many are free now
    /// that were not. With `preempted`, `full` of its own can be found again by it, which is job `index`.
    WT_HD std::int64_t release(JobBlocks& job, std::int64_t own, std::int64_t full = 0, std::uint32_t index = none) {
        std::int64_t freed = own;
        job.left = none;
        if (own > 0) {
            if (full > 0) {
                job.left = push_run(own, static_cast<std::uint32_t>(full), &job);
                m_nodes[job.left].owner = index;
            } else {
                push_run(own, 0, nullptr);
            }
        }
        for (std::uint32_t block = job.last; job.shared > 0; --job.shared) {
            if (job.list != none) block = m_lists[job.list * m_list_size + job.shared - 1];
            Node& node = m_nodes[block];
            const std::uint32_t parent = node.parent;
            if (--node.count == 0) {
                push_back(block);
                ++freed;
            }
            block = parent;
        }
        job.last = none;
        if (job.list != none) m_free_lists[m_lists_left++] = job.list;
        job.list = none;
        return freed;
    }

private:
    /// A block that others may find (key > 0), or a run of blocks that nobody does.
    struct Node {
        std::uint64_t key = 0;
        std::uint32_t parent = none;
        std::uint32_t next = none, previous = none;  ///< in the free list, from its front
        std::uint32_t count = 0;                     ///< jobs that hold it; of a run: its blocks
        std::uint32_t twin = none;                   ///< a younger copy of the same content
        std::uint32_t owner = none;                  ///< of a run: the preempted job that left it
    };

    [[nodiscard]] WT_HD static std::uint64_t key_of(std::uint32_t node, std::uint32_t block) {
        return (std::uint64_t{node} << 32 | block) + 1;
    }
    [[nodiscard]] WT_HD std::uint32_t slot_of(std::uint64_t key) const {
        return static_cast<std::uint32_t>((key * 0x9e3779b97f4a7c15u) >> 32) & m_mask;
    }

    WT_HD void hold(JobBlocks& job, std::uint32_t block) {
        if (m_list_size > 0) {
            if (job.list == none) job.list = m_free_lists[--m_lists_left];
            m_lists[job.list * m_list_size + job.shared] = block;
        }
        job.last = block;
        ++job.shared;
    }
    [[nodiscard]] WT_HD std::uint32_t take_node() {
        if (m_unused == none) return m_fresh++;
        const std::uint32_t index = m_unused;
        m_unused = m_nodes[index].next;
        return index;
    }
    WT_HD void give_back(std::uint32_t index) {
        m_nodes[index].next = m_unused;
        m_unused = index;
    }

    WT_HD void push_back(std::uint32_t index) {
        Node& node = m_nodes[index];
        node.next = none;
        node.previous = m_last;
        if (m_last != none)
            m_nodes[m_last].next = index;
        else
            m_first = index;
        m_last = index;
    }
    WT_HD void unlink(std::uint32_t index) {
        const Node& node = m_nodes[index];
        if (node.previous != none)
            m_nodes[node.previous].next = node.next;
        else
            m_first = node.next;
        if (node.next != none)
            m_nodes[node.next].previous = node.previous;
        else
            m_last = node.previous;
    }
    /// Frees `blocks` that have no identity. A run that nobody comes back for grows the one before it.
    WT_HD std::uint32_t push_run(std::int64_t blocks, std::uint32_t full, JobBlocks* job) {
        if (job == nullptr && m_last != none && is_dead_run(m_last)) {
            m_nodes[m_last].count += static_cast<std::uint32_t>(blocks);
            return m_last;
        }
        const std::uint32_t index = take_node();
        Node& node = m_nodes[index];
        node.key = 0;
        node.parent = node.twin = node.owner = none;
        node.count = static_cast<std::uint32_t>(blocks);
        push_back(index);
        if (job != nullptr) job->left_full = full;
        return index;
    }
    [[nodiscard]] WT_HD bool is_dead_run(std::uint32_t index) const {
        return m_nodes[index].key == 0 && m_nodes[index].owner == none;
    }
    /// Makes one run of two neighbours, if both are dead; the one that remains.
    WT_HD std::uint32_t join(std::uint32_t a, std::uint32_t b) {
        if (a == none || b == none || !is_dead_run(a) || !is_dead_run(b)) return a;
        m_nodes[b].count += m_nodes[a].count;
        unlink(a);
        give_back(a);
        return b;
    }

    /// Takes a block's content out of the table; the next older copy is found from now on.
    WT_HD void forget(std::uint32_t index) {
        const std::uint64_t key = m_nodes[index].key;
        std::uint32_t at = slot_of(key);
        while (m_nodes[m_table[at]].key != key) at = (at + 1) & m_mask;
        std::uint32_t copy = m_table[at];
        if (copy != index) {
            while (m_nodes[copy].twin != index) copy = m_nodes[copy].twin;
            m_nodes[copy].twin = m_nodes[index].twin;
            return;
        }
        if (m_nodes[index].twin != none) {
            m_table[at] = m_nodes[index].twin;
            return;
        }
        // Linear probing without tombstones (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).
        for (std::uint32_t hole = at;;) {
            at = (at + 1) & m_mask;
            if (m_table[at] == none) {
                m_table[hole] = none;
                return;
            }
            const std::uint32_t home = slot_of(m_nodes[m_table[at]].key);
            if (((at - home) & m_mask) < ((at - hole) & m_mask)) continue;
            m_table[hole] = m_table[at];
            hole = at;
        }
    }

    ArenaArray<Node, Layout> m_nodes;
    ArenaArray<std::uint32_t, Layout> m_table;  ///< open addressing: the oldest copy of a content
    ArenaArray<std::uint32_t, Layout> m_lists, m_free_lists;  ///< [list][position]; those that nobody has
    std::uint32_t m_list_size = 0, m_list_count = 0, m_lists_left = 0;
    std::uint32_t m_capacity = 0, m_slots = 0, m_mask = 0;
    std::uint32_t m_fresh = 0, m_unused = none;  ///< nodes that were never used; a list of those that were
    std::uint32_t m_first = none, m_last = none;  ///< the free list
};

}  // namespace windtunnel
