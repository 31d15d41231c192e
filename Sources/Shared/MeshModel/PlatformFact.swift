// SPDX-License-Identifier: Apache-2.0

/// What a machine is made of, how its kernel is set, and what others have left in its network: all that Cilium, Ceph and container images ask
/// of a host besides kernel options.
package struct PlatformFact: Hashable, Sendable, Codable {
    /// All of it, not what is free; absent when the kernel does not tell.
    package var memoryInBytes: UInt64?
    package var processors: Int
    package var processorModel: String?
    /// Of x86-64, the micro-architecture level that every processor reaches, 1 to 4; absent on other machines.
    package var processorLevel: Int?
    /// Kernel parameters that a CNI cares about, such as `net.ipv4.ip_forward`; a name that this kernel does not have is missing.
    package var parameters: [String: String]
    /// Files of CNI plugins in the directory where the kubelet looks for them; absent when the directory is not visible.
    package var cniFiles: [String]?
    /// Chains of the packet filter that kube-proxy or the kubelet made; absent when the packet filter could not be listed.
    package var serviceChains: [String]?
    /// The eBPF programs of the host; absent when they could not be listed.
    package var programs: [BPFProgram]?
    /// What the host's bpffs keeps alive, as paths below it (`tc/globals/cilium_ct4_global`): programs, maps and links outlive there whoever made
    /// them. Absent when it is not visible.
    package var pins: [String]?
    /// What could not be seen, and what would show it.
    package var unseen: [String]

    package init(
        memoryInBytes: UInt64?, processors: Int, processorModel: String? = nil, processorLevel: Int? = nil, parameters: [String: String],
        cniFiles: [String]?, serviceChains: [String]?, programs: [BPFProgram]? = nil,
        pins: [String]? = nil, unseen: [String]
    ) {
        self.memoryInBytes = memoryInBytes
        self.processors = processors
        self.processorModel = processorModel
        self.processorLevel = processorLevel
        self.parameters = parameters
        self.cniFiles = cniFiles
        self.serviceChains = serviceChains
        self.programs = programs
        self.pins = pins
        self.unseen = unseen
    }

    /// Those of the pins that are Cilium's, by where its agent and its CNI plugin put them.
    package var ciliumPins: [String] { (pins ?? []).filter { $0.hasPrefix("cilium/") || $0.hasPrefix("tc/globals/cilium_") } }
}
