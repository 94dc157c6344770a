// Package geowizard estimates depth and normals of a picture together, as
// GeoWizard (Fu et al., ECCV 2024, github.com/fuxiao0719/GeoWizard) does: by
// diffusion from noise, in a few steps, with the depth and the normals of one
// picture as two rows that attend to each other.
//
// The four networks run elsewhere, behind [Network]; what is between them is
// here: the picture's size, the noise, the schedule, the ensemble. Each call of a
// network carries one picture; a Network that gathers the calls of several
// goroutines into a batch may stand in between.
//
// The result depends on the picture, its key, the networks, the card and the
// settings, and on nothing else: not on what runs beside it.
//
// GeoWizard's code is right for one picture at a time only, and so is what is
// compared with it in the tests. Differences from it, all on purpose:
//
//   - A picture is squashed to the nearest of a few sizes (buckets), which a network
//     can be compiled for; GeoWizard scales its longer side to 768.
//   - The depth of an ensemble's members is aligned by the same optimiser, which there
//     gets slopes that are mostly rounding errors and here exact ones (see alignment).
//   - Sums are float64 where PyTorch has float32.
package geowizard
