// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshModel
internal import MeshSystem

/// Tells what this Proxmox host knows of its guests' disks, and looks, for reading only, into the volumes behind them: the same content as
/// the guest sees, by a way that the guest has no hand in.
struct HypervisorWitness {
    /// `/etc/pve`.
    let root: String

    private static let longestFile = 512 << 10
    /// More guests than this are on no host.
    private static let mostGuests = 4096

    /// Every disk of every guest of this host; volumes are looked into where the serial is one of those asked for.
    func disks(lookingInto serials: Set<String>) throws -> [VirtualDiskFact] {
        let (storages, guests) = try configuration()
        return guests.flatMap { vmid, guest in
            guest.drives.map { fact($0, guest, vmid, storages, look: $0.serial.map(serials.contains) ?? false) }
        }
    }

    /// Everything that Proxmox has written down here: the storages, and each guest under its number.
    private func configuration() throws -> (StorageConfiguration, [(UInt64, ProxmoxGuestFile)]) {
        let files = LinuxFileStore()
        let directory = "\(root)/qemu-server"
        let names: [String]
        let storages: StorageConfiguration
        do {
            guard let found = try files.list(directory) else { throw DiskWipeError.hypervisor(path: directory, problem: "it is not there") }
            names = found
            storages = StorageConfiguration(parsing: try text("\(root)/storage.cfg") ?? "")
        } catch let error as DiskWipeError {
            throw error
        } catch {
            throw DiskWipeError.hypervisor(path: root, problem: "\(error)")
        }
        let guests = names.compactMap { name in name.hasSuffix(".conf") ? UInt64(name.dropLast(5)) : nil }.sorted()
        guard guests.count <= Self.mostGuests else {
            throw DiskWipeError.hypervisor(path: directory, problem: "more than \(Self.mostGuests) guests")
        }
        return (
            storages,
            try guests.compactMap { vmid in
                // A guest that is removed this very moment has no file any more.
                try text("\(directory)/\(vmid).conf").map { (vmid, ProxmoxGuestFile(parsing: $0)) }
            }
        )
    }

    /// The one volume that a guest here has under this serial: where it lies, and its name.
    func volume(withSerial serial: String) throws -> (path: String, name: String) {
        let (storages, guests) = try configuration()
        let drives = guests.flatMap { vmid, guest in guest.drives.filter { $0.serial == serial }.map { (vmid, $0) } }
        guard let (vmid, drive) = drives.first, drives.count == 1 else {
            throw DiskWipeError.hypervisor(path: root, problem: "\(drives.count) disks of its guests have the serial \(plainWords(serial))")
        }
        switch storages.place(of: drive.volume, vmid: vmid) {
        case .unreadable(let why): throw DiskWipeError.hypervisor(path: plainWords(drive.volume), problem: why)
        case .path(let path): return (try Self.real(path), plainWords(drive.volume))
        }
    }

    /// LVM and ZFS name their volumes by symbolic links.
    private static func real(_ path: String) throws -> String {
        guard let real = realpath(path, nil) else { throw BlockDevice.Failure(doing: "find the volume", errno: errno) }
        defer { free(real) }
        return String(cString: real)
    }

    private func text(_ path: String) throws -> String? {
        do {
            return try LinuxFileStore().read(path, limit: Self.longestFile).map { String(decoding: $0, as: UTF8.self) }
        } catch {
            throw DiskWipeError.hypervisor(path: path, problem: "\(error)")
        }
    }

    private func fact(
        _ drive: ProxmoxDrive, _ guest: ProxmoxGuestFile, _ vmid: UInt64, _ storages: StorageConfiguration, look: Bool
    ) -> VirtualDiskFact {
        var fact = VirtualDiskFact(
            vmid: vmid, machine: plainWords(guest.settings["name"] ?? "", limit: 128), slot: drive.slot,
            serial: drive.serial.map { plainWords($0, limit: 64) },
            volume: plainWords(drive.volume, limit: 256), sizeInBytes: drive.size?.bytes, discards: drive.discards,
            readOnly: drive.readOnly,
            fingerprint: nil, signatures: [], blank: false)
        guard look else {
            fact.unread = "nobody asked about it"
            return fact
        }
        switch storages.place(of: drive.volume, vmid: vmid) {
        case .unreadable(let why): fact.unread = why
        case .path(let path):
            do {
                try examine(path, into: &fact)
            } catch let failure as BlockDevice.Failure {
                fact.unread = "\(DiskWipeError.device(doing: failure.doing, on: path, errno: failure.errno))"
            } catch {
                fact.unread = "\(error)"
            }
        }
        return fact
    }

    private func examine(_ path: String, into fact: inout VirtualDiskFact) throws {
        let device = try BlockDevice(try Self.real(path), .reading)
        let size = try device.volumeSize()
        fact.sizeInBytes = size
        let content = try DiskContent.examine(device, disk: fact.volume, size: size, forgettingCache: true)
        fact.fingerprint = content.fingerprint
        fact.signatures = content.signatures
        fact.blank = content.blank
    }
}
