#include "scenarios/pods/kubernetes_taints.hpp"

namespace windtunnel {

std::vector<Taint> decode_taint_list(Decoder& map, const std::string& key) {
    std::vector<Taint> out;
    for (Decoder& item : map.children(key)) {
        Taint taint;
        taint.key = item.required_text("key");
        taint.value = item.text("value").value_or("");
        if (!item.has("effect")) item.missing("effect", "NoSchedule, PreferNoSchedule or NoExecute");
        taint.effect = decode_taint_effect(item, "effect").value_or(TaintEffect::no_schedule);
        item.quiet({"timeAdded"});
        item.finish();
        out.push_back(std::move(taint));
    }
    return out;
}

std::vector<Taint> decode_taint_list_or_map(Decoder& map, const std::string& key) {
    const Node* node = map.take(key);
    if (!node || !node->is_map()) return decode_taint_list(map, key);
    std::vector<Taint> out;
    for (const auto& [name, text] : map.text_map(key)) {
        const std::size_t colon = text.rfind(':');
        const std::string effect = colon == std::string::npos ? "" : text.substr(colon + 1);
        Taint taint{name, text.substr(0, colon), TaintEffect::no_schedule};
        if (effect == "NoExecute") taint.effect = TaintEffect::no_execute;
        else if (effect == "PreferNoSchedule") taint.effect = TaintEffect::prefer_no_schedule;
        else if (effect != "NoSchedule")
            map.error(key, "found \"" + text + "\", allowed: VALUE:NoSchedule, VALUE:PreferNoSchedule or VALUE:NoExecute");
        out.push_back(std::move(taint));
    }
    return out;
}

}  // namespace windtunnel
