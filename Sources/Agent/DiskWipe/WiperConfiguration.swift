// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Everything the wiper is told at its start. None of it comes from the coordinator.
package struct WiperConfiguration: Hashable, Sendable {
    package var node: NodeID
    /// A file with the SHA-256 of the agent key's SubjectPublicKeyInfo in hex; read anew for each warrant, because the agent enrols later.
    package var nodeKeyPath: String
    /// OpenSSH's allowed_signers, with the threshold.
    package var signersPath: String
    package var storeDirectory: String
    package var socketPath: String
    /// Users who may connect; the kernel says who they are.
    package var allowedUsers: Set<UInt32>
    /// When the agent runs as another user, the group that may open the socket; without it the socket is for our own user alone.
    package var socketGroup: UInt32?
    package var sysroot: String
    package var devroot: String
    package var procroot: String
    /// Where Proxmox keeps the configuration of its guests; a host without it is no hypervisor.
    package var hypervisorRoot: String
    /// For labs and tests only.
    package var allowLoop: Bool
    package var manners: WipeManners
    /// Why this process may not wipe at all, found at its start: it has more rights than it needs.
    package var unfitBecause: String?

    package init(
        node: NodeID, nodeKeyPath: String, signersPath: String, storeDirectory: String, socketPath: String, allowedUsers: Set<UInt32>,
        socketGroup: UInt32? = nil, sysroot: String = "/sys", devroot: String = "/dev", procroot: String = "/proc",
        hypervisorRoot: String = "/etc/pve", allowLoop: Bool = false, manners: WipeManners = WipeManners(), unfitBecause: String? = nil
    ) {
        self.node = node
        self.nodeKeyPath = nodeKeyPath
        self.signersPath = signersPath
        self.storeDirectory = storeDirectory
        self.socketPath = socketPath
        self.allowedUsers = allowedUsers
        self.socketGroup = socketGroup
        self.sysroot = sysroot
        self.devroot = devroot
        self.procroot = procroot
        self.hypervisorRoot = hypervisorRoot
        self.allowLoop = allowLoop
        self.manners = manners
        self.unfitBecause = unfitBecause
    }

    package var inventory: DiskInventory {
        DiskInventory(sysroot: sysroot, devroot: devroot, procroot: procroot, allowLoop: allowLoop)
    }
}
