// SPDX-License-Identifier: Apache-2.0

import Linting

private let guestAgent = "qemu-guest-agent"

/// L-TAL-3
func imagesHoldExtensions(_ view: TreeView) -> [LocatedFinding] { guestAgentsIncluded(view) + oneSchematic(view) }

/// Proxmox waits for an answer of the guest agent that the image does not have.
private func guestAgentsIncluded(_ view: TreeView) -> [LocatedFinding] {
    let asked = view.modules.flatMap { $0.blocks("resource", "proxmox_virtual_environment_vm") }.first { machine in
        machine.body.blocks("agent").contains { $0.body.attribute("enabled")?.value.textWithHoles == "true" }
    }
    guard let asked else { return [] }
    return schematics(view).compactMap { schematic in
        guard !schematic.extensions.contains(where: { $0.hasSuffix(guestAgent) }) else { return nil }
        return finding(
            "L-TAL-3", .warning, schematic.spot,
            "the schematic has no \(guestAgent), which Proxmox asks on machines of \(asked.address) "
                + "(\(asked.spot.file):\(asked.spot.place.line)); it would wait for addresses until it gives up",
            fix: "siderolabs/\(guestAgent)")
    }
}

/// What Talos installs is not what it booted, so extensions come and go with the first reboot.
private func oneSchematic(_ view: TreeView) -> [LocatedFinding] {
    let images = factoryImages(view)
    guard let boot = images.first(where: \.isBoot) else { return [] }
    let booted = Set(images.filter(\.isBoot).map(\.schematic))
    return images.filter { !$0.isBoot && !booted.contains($0.schematic) }.map { image in
        finding(
            "L-TAL-3", .warning, image.spot,
            "installs schematic \(image.schematic.prefix(12))... while machines boot from \(boot.schematic.prefix(12))... "
                + "(\(boot.spot.file):\(boot.spot.place.line)); extensions of only one of them would be dropped",
            fix: "one schematic for both")
    }
}

// MARK: - What the tree says of schematics

/// Those whose list of extensions is written down; of a computed one nothing is known.
private func schematics(_ view: TreeView) -> [(extensions: [String], spot: Spot)] {
    let texts = view.yamlTexts.flatMap { text in
        text.documents.compactMap { document -> (extensions: [String], spot: Spot)? in
            guard document["kind"] == nil, let entry = document.entry("customization") else { return nil }
            let list = entry.value["systemExtensions", "officialExtensions"]?.elements ?? []
            return (list.compactMap(\.text), text.spot(entry.place))
        }
    }
    let resources = view.modules.flatMap { module in
        module.blocks("resource", "talos_image_factory_schematic").compactMap { resource -> (extensions: [String], spot: Spot)? in
            guard let attribute = resource.body.attribute("schematic"), case .call("yamlencode", let arguments) = attribute.value.kind,
                let whole = arguments.first, !whole.items.isEmpty
            else { return nil }
            let list = ["customization", "systemExtensions", "officialExtensions"].reduce(Optional(whole)) { value, name in
                value?.items.last { $0.name == name }?.value
            }
            let extensions = list.map { names(in: $0, of: module, in: resource.file) } ?? []
            return extensions.map { ($0, resource.file.spot(attribute.offset)) }
        }
    }
    return texts + resources
}

/// A list of plain texts, or the filter of the data source that the list is taken from.
private func names(in list: HCLExpression, of module: TerraformModule, in file: TerraformFile) -> [String]? {
    if case .list(let elements) = list.kind {
        let texts = elements.compactMap(\.plainText)
        return texts.count == elements.count ? texts : nil
    }
    let sources = module.references(of: list, in: file).compactMap { TerraformModule.address(of: $0.reference) }
    for source in sources where source.hasPrefix("data.talos_image_factory_extensions_versions.") {
        guard let names = module.byAddress[source]?.body.attribute("filters")?.value.items.last(where: { $0.name == "names" })?.value
        else { continue }
        let texts = names.elements.compactMap(\.plainText)
        if !texts.isEmpty, texts.count == names.elements.count { return texts }
    }
    return nil
}

private struct FactoryImage {
    let schematic: String
    /// An ISO or disk image, in contrast to what is installed from it.
    let isBoot: Bool
    let spot: Spot
}

/// Every address of the Image Factory whose schematic is written out.
private func factoryImages(_ view: TreeView) -> [FactoryImage] {
    let terraform = textsOfTerraform(view).map { ($0.text, $0.spot) }
    let installs = view.documents.flatMap { file in
        file.documents.compactMap { document -> (String, Spot)? in
            guard let image = document["machine", "install"]?.entry("image"), let text = image.value.text else { return nil }
            return (text, file.spot(image.place))
        }
    }
    return (terraform + installs).compactMap { text, spot in
        guard let parts = factoryPath(in: text), parts.count > 1, parts[1].utf8.count == 64, parts[1].allSatisfy(\.isHexDigit)
        else { return nil }
        return FactoryImage(schematic: String(parts[1]), isBoot: parts[0] == "image", spot: spot)
    }
}

/// `installer`, `SCHEMATIC` of `factory.talos.dev/installer/SCHEMATIC:v1.11.3`.
private func factoryPath(in text: String) -> [Substring]? {
    let host = "factory.talos.dev/"
    var rest = text[...]
    while !rest.isEmpty, !rest.hasPrefix(host) { rest = rest.dropFirst() }
    guard !rest.isEmpty else { return nil }
    return rest.dropFirst(host.count).split(whereSeparator: { "/:\"' ".contains($0) })
}
