package testmedia

// sounds are clips that are odd in their audio.
func sounds() []recipe {
	surround := usual("surround_5_1", "AAC 5.1: FL 300, FR 400, FC 500, LFE 60, BL 700, BR 800 Hz")
	surround.AudioChannels = 6
	stereo := usual("stereo", "left 440 Hz, right 880 Hz")
	stereo.AudioChannels = 2
	return []recipe{
		{Case: silent("no_audio", "no audio track"), ext: ".mp4", args: arguments(moving(), x264())},
		{Case: usual("two_languages", "two AAC tracks: eng (default) 440 Hz, deu 880 Hz"), ext: ".mp4",
			args: arguments(moving(), tone(440), tone(880), []string{"-map", "0", "-map", "1", "-map", "2"}, x264(), aac(),
				[]string{"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"})},
		{Case: stereo, ext: ".mp4",
			args: arguments(moving(), lavfi("aevalsrc=sin(440*2*PI*t)/4|sin(880*2*PI*t)/4:s=48000:d=%d", usualSeconds), x264(), aac())},
		{Case: surround, ext: ".mp4",
			args: arguments(moving(), lavfi("aevalsrc=sin(300*2*PI*t)/4|sin(400*2*PI*t)/4|sin(500*2*PI*t)/4|sin(60*2*PI*t)/4|sin(700*2*PI*t)/4|sin(800*2*PI*t)/4:c=5.1:s=48000:d=%d", usualSeconds),
				x264(), []string{"-c:a", "aac", "-b:a", "192k"})},
		{Case: usual("audio_8khz", "AAC at 8 kHz, 440 Hz"), ext: ".mp4",
			args: arguments(moving(), tone(440), x264(), aac(), []string{"-ar", "8000"})},
		{Case: onlyAudio("audio_only_mp4", "AAC in MP4, no picture"), ext: ".mp4", args: arguments(tone(440), aac())},
		{Case: onlyAudio("audio_only_mp3", "MP3"), ext: ".mp3", args: arguments(tone(440), []string{"-c:a", "libmp3lame"})},
		{Case: onlyAudio("audio_only_flac", "FLAC"), ext: ".flac", args: arguments(tone(440))},
		{Case: onlyAudio("mp3_cover_art", "MP3 with an attached picture, which is not a video"), ext: ".mp3",
			args: arguments([]string{"-i", "case:audio_only_mp3", "-f", "image2", "-i", "case:jpeg_named_mp4", "-map", "0", "-map", "1",
				"-c", "copy", "-disposition:v", "attached_pic", "-id3v2_version", "3"})},
	}
}

func onlyAudio(name, note string) Case {
	return Case{Name: name, Note: note, WantClass: "no_video", Duration: usualSeconds, HasAudio: true, AudioChannels: 1}
}
