package testmedia

// codecs are ordinary clips in every codec and container that is common in
// video collections.
func codecs() []recipe {
	strict := []string{"-movflags", "+faststart"}
	return []recipe{
		{Case: usual("plain", "H.264 + AAC in MP4, moov first: nothing odd"), ext: ".mp4",
			args: arguments(moving(), tone(440), x264(), aac(), strict)},
		{Case: usual("plain_moov_last", "as plain, moov at the end"), ext: ".mp4",
			args: arguments(moving(), tone(440), x264(), aac())},
		{Case: usual("fragmented", "fragmented MP4, empty moov"), ext: ".mp4",
			args: arguments(moving(), tone(440), x264(), aac(), []string{"-movflags", "+frag_keyframe+empty_moov+default_base_moof"})},
		{Case: silent("hevc", "HEVC 8 bit"), ext: ".mp4", args: arguments(moving(), x265("yuv420p", ""))},
		{Case: silent("hevc_10bit", "HEVC Main 10"), ext: ".mp4", args: arguments(moving(), x265("yuv420p10le", ""))},
		{Case: silent("h264_10bit", "H.264 High 10"), ext: ".mp4", args: arguments(moving(), x264("-pix_fmt", "yuv420p10le"))},
		{Case: silent("av1", "AV1 in MP4"), ext: ".mp4",
			args: arguments(moving(), []string{"-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "lp=1"})},
		{Case: usual("vp9_opus", "VP9 + Opus in WebM"), ext: ".webm",
			args: arguments(moving(), tone(440), []string{"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"})},
		{Case: usual("xvid", "MPEG-4 part 2 tagged XVID + MP3 in AVI"), ext: ".avi",
			args: arguments(moving(), tone(440), []string{"-c:v", "mpeg4", "-vtag", "XVID", "-q:v", "5", "-c:a", "libmp3lame"})},
		{Case: silent("gif", "GIF, 10 frames a second").show(160, 120).last(30, 3), ext: ".gif",
			args: arguments(lavfi("testsrc2=s=160x120:r=10:d=3"))},
		{Case: usual("prores", "ProRes proxy 4:2:2 10 bit + PCM in MOV"), ext: ".mov",
			args: arguments(moving(), tone(440), []string{"-c:v", "prores_ks", "-profile:v", "proxy", "-c:a", "pcm_s16le"})},
		{Case: usual("open_gop", "H.264 with open groups of 12 pictures and B-frames"), ext: ".mp4",
			args: arguments(moving(), tone(440), []string{"-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p",
				"-x264-params", "open-gop=1:keyint=12:min-keyint=12:scenecut=0:bframes=3:b-adapt=0"}, aac())},
		{Case: usual("subtitles_mov_text", "mov_text track with the cues of Cues, language eng"), ext: ".mp4",
			args: arguments([]string{"-i", "case:cues"}, moving(), tone(440), x264(), aac(),
				[]string{"-map", "1", "-map", "2", "-map", "0", "-c:s", "mov_text", "-metadata:s:s:0", "language=eng"})},
		{Case: usual("subtitles_srt", "SubRip track in Matroska with the cues of Cues, language eng"), ext: ".mkv",
			args: arguments([]string{"-i", "case:cues"}, moving(), tone(440), x264(), aac(),
				[]string{"-map", "1", "-map", "2", "-map", "0", "-c:s", "subrip", "-metadata:s:s:0", "language=eng"})},
	}
}
