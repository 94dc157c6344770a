// Package scenecut finds shot boundaries exactly as PySceneDetect 0.6.2's ContentDetector does when video2dataset 1.3.0
// drives it, without OpenCV and without moving whole frames through a pipe.
//
// The reference shrinks every frame by factor = width/64 with OpenCV's INTER_LINEAR, which reads only a 2x2 block of
// source pixels ("taps") for each cell of the small picture, converts that to HSV, and takes the mean absolute change of
// H, S and V from frame to frame as the score. So a [Plan] has ffmpeg's remap filter pick just those taps; a [Scorer]
// turns the taps of one frame (27 KB at any 16:9 size) into the score; a [Detector] turns scores into cuts.
//
// What enters: the coded size and pixel format of a video as ffprobe reports them, then one tap frame per decoded frame.
// What leaves: one score per frame, and for each frame whether a cut falls on it.
//
// Guaranteed: integer arithmetic equal to OpenCV's and swscale's, so that on every size and pixel format in the tests each
// score is the same float64 as the reference's. The reference looks at the coded picture, before rotation: run ffmpeg with
// -noautorotate. Not guaranteed: damaged streams, where two ffmpeg versions conceal errors differently; and videos that
// are not 8-bit 4:2:0, narrower than about 512, and of a height that is not their coded height (such as 10-bit 320x180),
// where OpenCV leaves the last three rows unwritten and the reference's own scores change from run to run.
//
// A caller adds each map of [Plan.Maps] as a rawvideo input ([Plan.MapArgs]), puts [Plan.Filter] in -filter_complex, and
// maps its output with [Plan.OutputArgs]. The graph is cheap only with -threads 1 -filter_threads 1
// -filter_complex_threads 1 (threads cost 2.6x CPU here).
package scenecut
