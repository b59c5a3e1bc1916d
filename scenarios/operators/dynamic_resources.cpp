// Dynamic resource allocation (resource.k8s.io/v1, v1beta2 and v1beta1): whole GPUs that a pod claims through a template are what
// the device plugin would give it.
#include <algorithm>
#include <optional>

#include "scenarios/operators/derived_workloads.hpp"

namespace windtunnel {
namespace {

/// Whole GPUs that a ResourceClaimTemplate asks for; empty: it asks for something else besides, or in another way.
std::optional<std::int64_t> whole_gpus(const Node& claim_template, Decoder& object) {
    const Node* spec = claim_template.find("spec");
    const Node* inner = spec && spec->is_map() ? spec->find("spec") : nullptr;
    const Node* devices = inner && inner->is_map() ? inner->find("devices") : nullptr;
    const Node* requests = devices && devices->is_map() ? devices->find("requests") : nullptr;
    if (!requests || !requests->is_list() || requests->children.empty()) return std::nullopt;
    std::int64_t sum = 0;
    for (const Node& given : requests->children) {
        if (!given.is_map() || given.find("firstAvailable")) return std::nullopt;
        const Node* exactly = given.find("exactly");
        const Node& request = exactly && exactly->is_map() ? *exactly : given;  // v1beta1 has its fields here
        const std::string mode = request.text_at({"allocationMode"});
        if (request.text_at({"deviceClassName"}) != "gpu.nvidia.com" || (!mode.empty() && mode != "ExactCount") || request.find("adminAccess")) return std::nullopt;
        const Node* count = request.find("count");
        if (count && (count->kind != Node::Kind::integer || count->integer < 1 || count->integer > 1024)) return std::nullopt;
        sum += count ? count->integer : 1;
        if (request.find("selectors")) object.warn("spec", "its selectors are not read: any GPU of a node will do; a nodeSelector of the pods says which");
    }
    return sum;
}

struct ClaimedTemplates {
    const std::vector<Document>& documents;
    Findings& findings;

    [[nodiscard]] std::optional<std::int64_t> gpus(const std::string& name, const std::string& name_space) const {
        for (const Document& d : documents) {
            if (d.root.text_at({"kind"}) != "ResourceClaimTemplate" || d.root.text_at({"metadata", "name"}) != name || namespace_of(d.root) != name_space) continue;
            Decoder object(d.root, "", d.file, findings);
            return whole_gpus(d.root, object);
        }
        return std::nullopt;
    }
};

std::vector<Node*> claimants_of(Node& containers, const std::string& claim) {
    std::vector<Node*> out;
    for (Node& container : containers.children) {
        Node* resources = container.is_map() ? container.find("resources") : nullptr;
        Node* claims = resources && resources->is_map() ? resources->find("claims") : nullptr;
        if (claims && claims->is_list() && std::any_of(claims->children.begin(), claims->children.end(), [&](const Node& c) { return c.text_at({"name"}) == claim; })) out.push_back(&container);
    }
    return out;
}

/// Turns the claims of a pod's spec that are of whole GPUs for one container into that container's limits. Others stay, and
/// are refused where the pod is compiled.
void resolve_claims(Node& pod, const std::string& name_space, const ClaimedTemplates& templates) {
    Node& claims = *pod.find("resourceClaims");
    Node& containers = *pod.find("containers");
    std::vector<Node> left;
    for (Node& claim : claims.children) {
        const std::string name = claim.text_at({"name"});
        const auto gpus = templates.gpus(claim.text_at({"resourceClaimTemplateName"}), name_space);
        const std::vector<Node*> claimants = claimants_of(containers, name);
        if (!gpus || claimants.size() != 1) {
            left.push_back(claim);
            continue;
        }
        Node& container = *claimants[0];
        ask_for(container, "nvidia.com/gpu", std::to_string(gpus_of(container) + *gpus));
        Node& its = *container.find("resources")->find("claims");
        std::erase_if(its.children, [&](const Node& c) { return c.text_at({"name"}) == name; });
        if (its.children.empty()) erase_key(*container.find("resources"), "claims");
    }
    if (left.empty()) erase_key(pod, "resourceClaims");
    else claims.children = std::move(left);
}

void resolve_within(Node& node, const std::string& name_space, const ClaimedTemplates& templates) {
    if (node.is_map()) {
        const Node *claims = node.find("resourceClaims"), *containers = node.find("containers");
        if (claims && claims->is_list() && containers && containers->is_list()) return resolve_claims(node, name_space, templates);
    }
    for (Node& child : node.children) resolve_within(child, name_space, templates);
}

}  // namespace

void resolve_device_claims(std::vector<Document>& documents, Findings& findings) {
    const ClaimedTemplates templates{documents, findings};
    for (Document& d : documents)
        if (d.root.is_map() && d.root.find("spec")) resolve_within(d.root, namespace_of(d.root), templates);
}

}  // namespace windtunnel
