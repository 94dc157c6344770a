package testmedia

// timings are clips that are odd in their timestamps or length.
func timings() []recipe {
	return []recipe{
		{Case: usual("vfr", "each second: 15 frames 1/30 s apart, then 5 frames 0.1 s apart").last(60, 3), ext: ".mp4",
			args: arguments(lavfi("testsrc2=s=%dx%d:r=30:d=3,select='lt(mod(n,30),15)+not(mod(n,3))'", usualWidth, usualHeight), tone(440),
				x264(), aac())},
		{Case: usual("start_5s", "transport stream whose clock starts at 5 s").last(usualFrames, 3), ext: ".ts",
			args: arguments(moving(), tone(440), x264(), aac(), []string{"-muxdelay", "0", "-muxpreload", "0", "-output_ts_offset", "5"})},
		{Case: usual("video_late", "the first picture comes at 1.5 s, sound from 0 s").last(usualFrames, 4.5), ext: ".mp4",
			args: arguments(moving(), lavfi("sine=f=440:r=48000:d=4.5"),
				x264("-vf", "settb=1/1000,setpts=PTS+1500", "-enc_time_base", "1:90000"), aac())},
		{Case: usual("audio_late", "the first sound comes at 0.7 s, pictures from 0 s"), ext: ".mp4",
			args: arguments(moving(), []string{"-itsoffset", "0.7"}, lavfi("sine=f=440:r=48000:d=2.3"), x264(), aac())},
		{Case: usual("audio_short", "pictures for 4 s, sound for the first 2.5 s").last(100, 4), ext: ".mp4",
			args: arguments(lavfi("testsrc2=s=%dx%d:r=25:d=4", usualWidth, usualHeight), lavfi("sine=f=440:r=48000:d=2.5"), x264(), aac())},
		{Case: usual("audio_gap", "no audio packets between 1.0 and 1.5 s"), ext: ".mp4",
			args: arguments([]string{"-i", "case:plain", "-c", "copy", "-bsf:a", "noise=amount=0:drop='between(pts*tb,1,1.5)'"})},
		{Case: usual("long_gop", "one keyframe every 4 s, B-frames").last(125, 5), ext: ".mp4",
			args: arguments(lavfi("testsrc2=s=%dx%d:r=25:d=5", usualWidth, usualHeight), lavfi("sine=f=440:r=48000:d=5"),
				[]string{"-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "100", "-bf", "2"}, aac())},
		{Case: usual("edit_list", "long_gop cut by stream copy from 1.37 s on: an edit list hides the lead-in").last(90, 3.63), ext: ".mp4",
			args: arguments([]string{"-ss", "1.37", "-i", "case:long_gop", "-c", "copy"})},
		{Case: usual("no_edit_list", "the same cut without an edit list: the lead-in shows").last(125, 5.08), ext: ".mp4",
			args: arguments([]string{"-ss", "1.37", "-i", "case:long_gop", "-c", "copy", "-use_editlist", "0"})},
		{Case: silent("one_frame", "a single frame").last(1, 0.04).fails("too_short"), ext: ".mp4",
			args: arguments(moving(), x264("-frames:v", "1"))},
		{Case: silent("two_frames", "two frames").last(2, 0.08).fails("too_short"), ext: ".mp4",
			args: arguments(moving(), x264("-frames:v", "2"))},
		{Case: usual("200ms", "five frames").last(5, 0.2).fails("too_short"), ext: ".mp4",
			args: arguments(moving(), tone(440), []string{"-t", "0.2"}, x264(), aac())},
	}
}
