"""SLMTokBench: do these tokens suit a speech language model?

Paper, sections 2 and 5.
Text alignment: mutual information with the text and a downstream recogniser.
Information preserved: word error rate, speaker similarity and quality of resynthesis.
Codebooks: phone-normalized mutual information. Models come in from `espnet_st.bin`.
"""
