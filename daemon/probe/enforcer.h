// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <disarmd/abi.h>

#include "base/result.h"
#include "policy/policy.h"

struct bpf_link;
struct bpf_program;

namespace disarmd {

// What of the loaded kernel programs the policy needs. The memory is the programs' own, and is there as
// long as they are.
struct PolicyPorts {
    int rules = -1; // maps
    int module_facts = -1;
    bpf_program* deny = nullptr;
    std::string proof_name; // of a module whose unload that program always denies
    bpf_program* drain = nullptr;
    __u64* rules_in_force = nullptr;
    __u32* drain_attached = nullptr;
    __u64* drain_limit_ns = nullptr;
    const __u64* proofs = nullptr; // how often it did
    __u64* denies_since_ns = nullptr;
};

// Puts the policy into the kernel, and its programs in place, once a rule wants them. The one that denies
// stays: not every kernel lets it come back (5.10), and without a rule it denies nothing. One thread.
class Enforcer {
public:
    explicit Enforcer(PolicyPorts ports);
    Enforcer(Enforcer&&) noexcept;
    Enforcer& operator=(Enforcer&&) noexcept;
    Enforcer(const Enforcer&) = delete;
    Enforcer& operator=(const Enforcer&) = delete;
    ~Enforcer();

    // From here on these rules hold, all of them at once. What can't be had is told by the state, and is
    // no error.
    Result<void> set_policy(const Policy& policy);

    // What is known of modules, by name and srcversion: all that there is to know.
    Result<void> set_facts(const std::vector<std::pair<abi::module_key, std::uint32_t>>& facts) const;

    // Whether what the rules want is in place: proven for denying, by an unload that was denied. In words
    // what is not, empty if nothing is.
    [[nodiscard]] const std::vector<std::string>& not_effective() const { return not_effective_; }
    [[nodiscard]] bool denies() const { return denies_; }
    // Of the programs, to be pinned with those that they build on.
    [[nodiscard]] std::vector<bpf_link*> links() const;

private:
    struct FreeLink {
        void operator()(bpf_link* link) const;
    };
    using Link = std::unique_ptr<bpf_link, FreeLink>;

    void prove();
    Result<void> write_rules(const Policy& policy) const;
    void place(Link& link, bpf_program* program, std::string_view purpose);

    PolicyPorts ports_;
    Link deny_;
    Link drain_;
    bool denies_ = false;
    std::vector<std::string> not_effective_;
};

// Asks the kernel to unload a module that can't be, as a user would, and whether it was the program that
// denied it. An error says what happened instead.
Result<void> prove_denying(const std::string& proof_name, const __u64& proofs);

abi::module_key module_key_of(const std::string& name, const std::string& srcversion);

} // namespace disarmd
