// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import OperatorAPI

/// One wipe for people who are to sign it.
struct WipeText {
    let wipe: WipeReply
    init(_ wipe: WipeReply) { self.wipe = wipe }

    var text: String {
        var table = Table(rows: [
            ["step", "\(wipe.step) (\(oneLine(wipe.state)))"],
            ["planned", "disk with serial \(oneLine(wipe.plannedSerial ?? "none")), \(wipe.plannedSize), on \(wipe.node)"],
        ])
        if let disk = wipe.disk { table.rows += rows(disk) } else { table.rows.append(["found", "nothing yet"]) }
        table.rows.append(["witness", witness])
        table.rows.append(["method", "\(wipe.method.rawValue): \(method)"])
        if wipe.throughTalos {
            table.rows.append([
                "through", "Talos' own API, as no agent is there: it takes a name and knows neither warrants nor disk instances;",
            ])
            table.rows.append(["", "nobody can know that the name means the same disk while it writes, or who else has it open"])
        }
        table.rows.append(["proof", proof])
        table.rows.append(["lost", Terminal.paint(lost, .red)])
        if let disarmed = wipe.wiper?.disarmed {
            table.rows.append(["wiper", Terminal.paint("DISARMED", .red) + ": \(oneLine(disarmed))"])
        }
        if let id = wipe.submitted { table.rows.append(["warrant", "\(id) is handed in"]) }
        if !wipe.missing.isEmpty { table.rows.append(["missing", oneLine(wipe.missing.joined(separator: "; "))]) }
        for (index, reason) in wipe.obstacles.enumerated() {
            table.rows.append([index == 0 ? "held by" : "", reason.line])
        }
        return table.text + "\n"
    }

    private func rows(_ disk: DiskFact) -> [[String]] {
        let identity = disk.identity
        let physical = disk.physicalSectorSize.map { $0 == identity.sectorSize ? "" : " (physical \($0))" } ?? ""
        var rows = [
            [
                "found",
                oneLine("\(disk.name): \(identity.kind.rawValue), serial \(identity.serial ?? "none")")
                    + (identity.wwid.map { ", wwid \(oneLine($0))" } ?? "") + ", \(ByteCount(bytes: identity.sizeInBytes))",
            ],
            ["", "at \(oneLine(identity.path)), sectors of \(identity.sectorSize)\(physical), instance \(identity.sequence) of this boot"],
        ]
        let isFree = disk.users.isEmpty && disk.exclusiveOpen
        let users = disk.users.isEmpty ? "the kernel refuses an exclusive open" : oneLine(disk.users.joined(separator: ", "))
        rows.append(["in use", isFree ? "no" : Terminal.paint("YES", .red) + ": \(users)"])
        if disk.readOnly { rows.append(["", "it is read-only"]) }
        if let unreadable = disk.unreadable { rows.append(["contents", "cannot be read: \(oneLine(unreadable))"]) }
        for (index, words) in contents(disk).enumerated() { rows.append([index == 0 ? "contents" : "", words]) }
        return rows
    }

    private func contents(_ disk: DiskFact) -> [String] {
        if !disk.signatures.isEmpty { return disk.signatures.map { oneLine($0.words) } }
        return [
            disk.blank ? "blank, says the node: no known signature, and zero where signatures can be" : "data without a known signature"
        ]
    }

    private var witness: String {
        guard let hypervisor = wipe.hypervisor else { return "the node alone; no hypervisor is asked about this disk" }
        guard let seen = wipe.witness else { return "\(hypervisor) has not confirmed the disk" }
        let size = seen.sizeInBytes.map { ByteCount(bytes: $0).description } ?? "size unknown"
        let content: String
        switch (seen.fingerprint, wipe.disk?.fingerprint) {
        case (let outside?, let inside?): content = compared(outside, inside)
        default: content = "content not compared (\(oneLine(seen.unread ?? "not read")))"
        }
        return "\(hypervisor): \(oneLine("\(seen.slot) of VM \(seen.vmid) (\(seen.machine)), \(seen.volume)")), \(size), \(content)"
    }

    /// Looks that were taken at different times may differ because the disk was written in between.
    private func compared(_ outside: Digest, _ inside: Digest) -> String {
        if outside == inside { return "same content" }
        guard let lag = wipe.witnessLag, abs(lag) >= 5 else { return Terminal.paint("OTHER CONTENT", .red) }
        return "not comparable, for it was seen \(abs(lag))s \(lag > 0 ? "before" : "after") the node looked"
    }

    private var method: String {
        switch wipe.method {
        case .labels: "clears every place where signatures are or can be, at both ends and between; data elsewhere stays on the disk"
        case .zero: wipe.disk?.writesZeroes == true ? "every byte, by the device's own command" : "every byte, by writing"
        case .discardVerify:
            wipe.witness?.discards == false
                ? "discard, which this hypervisor ignores (discard=ignore), so everything will be written"
                : "discard, and writing of all that does not read as zero then"
        }
    }

    private var proof: String {
        if wipe.throughTalos { return "the hypervisor reads the volume afterwards, where a seed says; NIST SP 800-88 \"Clear\", no more" }
        let readBack =
            wipe.verification == .full ? "all that was written is read back" : "both ends and every place of a label are read back"
        return "\(readBack), then once more where a seed says; NIST SP 800-88 \"Clear\", no more"
    }

    private var lost: String {
        if wipe.disk?.blank == true { return "everything on it, though the node says that it is blank" }
        guard let osd = wipe.disk?.signatures.first(where: { $0.owner != nil }) else { return "everything on it" }
        return "everything on it, \(oneLine(String(osd.words.prefix { $0 != "," }))) included"
    }
}
